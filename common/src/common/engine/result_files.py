"""The file route's inference: every .bin file through a network to result files of its own, complete or absent.

The files are those of the NPU's `benchmark`: `OUT/dumpOutput_device0/<stem>_<k>.bin`, k counting the outputs from 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import cli, rehearsal, resume
from common.backends.base import Backend, models_of, network_seconds
from common.engine.stream import run
from common.engine.task import Inputs, Outputs, Task
from common.errors import GuideError
from common.files import make_folder, write_array, write_text
from common.graph.outline import item_shape
from common.npu_files.results import DEVICE_FOLDER
from common.npu_files.summary import Part
from common.timing import Stopwatch

Array = NDArray[Any]
FORMATS = ("bin", "txt")
# What the benchmark tool calls the stages of the stream.
STAGES = {
    "read": "preprocess",
    "preprocess": "stack",
    "infer": "infer",
    "post": "postprocess",
    "total": "total",
}


def result_paths(folder: Path, stem: str, count: int, suffix: str) -> list[Path]:
    """Return where the `count` outputs of one input go, numbered from 1 as the benchmark tool does."""
    return [folder / f"{stem}_{k}.{suffix}" for k in range(1, count + 1)]


def write_output(path: Path, array: Array) -> None:
    """Write one output: raw bytes for .bin, one line of space-separated numbers for .txt."""
    if path.suffix == ".bin":
        write_array(path, array)
    else:  # nine significant digits give every float32 back exactly
        form = "{:.9g}" if array.dtype == np.float32 else "{!r}"
        write_text(path, " ".join([form.format(value) for value in array.ravel().tolist()]) + "\n")


def infer(
    deployed: Backend,
    paths: Sequence[Path],
    out: Path,
    batch_size: int,
    suffix: str,
    measured: Callable[[Part], object],
) -> None:
    """Run all inputs, write all results, and tell `measured` how many there are, also of a run that ends with an error.

    Stages as in the benchmark tool: read, preprocess (stacking a batch), infer, post (writing), total.
    """
    image, folder = deployed.inputs[0], out / DEVICE_FOLDER

    def read(path: Path) -> tuple[Inputs, Path]:
        return {image.name: np.fromfile(path, image.dtype).reshape(item_shape(image))}, path

    def write(outputs: Outputs, path: Path) -> None:
        targets = result_paths(folder, path.stem, len(outputs), suffix)
        for target, output in zip(targets, outputs, strict=True):
            write_output(target, output)

    watch = Stopwatch()
    sources = {path.stem: path for path in paths}
    results = run(
        Task(read, write), models_of(deployed), sources, batch_size=batch_size, workers=2, watch=watch
    )
    done = 0
    try:
        with closing(results):
            for _ in cli.progress(results, len(paths), "infer"):
                done += 1
    finally:
        if done:
            seconds = watch.seconds
            seconds["infer"] = network_seconds(deployed, seconds["infer"], done, batch_size)
            measured(Part(done, batch_size, {name: seconds[stage] for name, stage in STAGES.items()}))


def remaining(paths: Sequence[Path], out: Path, run: dict[str, Any], outputs: int) -> list[Path]:
    """Return the inputs whose results are not there yet, see `resume.missing`; `OUT/infer.json` is the record."""
    folder, suffix = out / DEVICE_FOLDER, run["format"]
    other = next(each for each in FORMATS if each != suffix)
    if any(folder.glob(f"[!.]*.{other}")):
        raise GuideError(
            f"{folder}: holds .{other} results of an earlier run; remove them, or choose another --out."
        )
    if not (out / "infer.json").exists() and any(folder.glob(f"[!.]*.{suffix}")):
        raise GuideError(
            f"{folder}: holds results that another tool made; remove them, or choose another --out."
        )
    sources = {path.stem: path for path in paths}
    todo = resume.missing(
        out / "infer.json", run, sources, lambda stem: result_paths(folder, stem, outputs, suffix)
    )
    return [sources[stem] for stem in todo]


def begin(paths: Sequence[Path], out: Path, run: dict[str, Any], outputs: int) -> list[Path]:
    """Return the inputs to run, see `remaining`, and say how many; mark the directories where it is a rehearsal."""
    todo = remaining(paths, out, run, outputs)
    if len(todo) < len(paths):
        there = len(paths) - len(todo)
        print(
            f"{there} of {cli.counted(len(paths), 'input')} already have their results; going on with the rest"
        )
    rehearsed = run["backend"].endswith(rehearsal.SUFFIX)
    for folder in (out, out / DEVICE_FOLDER):
        if rehearsed:
            make_folder(folder)
            rehearsal.mark(folder)
        else:
            (folder / rehearsal.MARK).unlink(missing_ok=True)
    return todo
