"""Offline inference over preprocessed .bin files, with the files the NPU's `benchmark` tool reads and writes.

    python -m common.infer --model faceboxes-b0.onnx --input faceboxes_prep_bin.info --out result

For each input `<stem>.bin` it writes `OUT/dumpOutput_device0/<stem>_<k>.bin`, k counting the model's outputs
from 1, and one summary `OUT/perf_vision_batchsize_<N>_device_0.txt`. Run again after an interruption, it goes on
with the inputs whose results are not complete; the summary is then that of all runs together, from
`OUT/performance.json`, and says what it covers.

    python -m common.infer --model d0_modify.onnx --loop 200 --batch-size 1 --provider cuda --out result_gpu

runs random input instead, the network alone ("pure inference"), and writes `OUT/pure_infer_batchsize_<N>.txt`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import alone, cli, resume
from common.backends.base import Backend, choose_batch_size
from common.backends.deployed import add_backend, open_model
from common.engine.repeat import check_batch_size, repeat
from common.engine.shard import add_shard
from common.engine.stream import run
from common.engine.task import Inputs, Outputs, Task
from common.errors import GuideError
from common.files import write_array, write_text
from common.graph.aipp import add_aipp, chosen_aipp
from common.graph.external import network_hash
from common.graph.outline import item_shape, only_input
from common.npu_files.inputs import add_input, check_sizes, inputs_of
from common.npu_files.results import DEVICE_FOLDER
from common.npu_files.summary import Part, add_part, write_parts, write_pure
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
    results = run(Task(read, write), [deployed], sources, batch_size=batch_size, workers=2, watch=watch)
    done = 0
    try:
        with closing(results):
            for _ in cli.progress(results, len(paths), "infer"):
                done += 1
    finally:
        if done:
            seconds = watch.seconds
            measured(Part(done, batch_size, {name: seconds[stage] for name, stage in STAGES.items()}))


def remaining(paths: Sequence[Path], out: Path, run: dict[str, Any], outputs: int) -> list[Path]:
    """Return the inputs whose results are not there yet, see `resume.missing`; `OUT/infer.json` is the record."""
    alone.take(out)
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


def _results(out: Path, run: dict[str, Any]) -> Iterator[Path]:
    """Return the files with the first output of each input."""
    return (out / DEVICE_FOLDER).glob(f"[!.]*_1.{run['format']}")


def _summarise(out: Path, run: dict[str, Any], part: Part, *, goes_on: bool) -> None:
    """Write and print the performance of this part and of those before it."""
    parts = add_part(out / "performance.json", run, part, goes_on=goes_on)
    perf = out / f"perf_vision_batchsize_{part.batch_size}_device_0.txt"
    print(write_parts(perf, parts, sum(1 for _ in _results(out, run))), end="")
    runs = f" in {len(parts)} runs" if len(parts) > 1 else ""
    print(f"{perf}: performance of {cli.counted(sum(part.inputs for part in parts), 'input')}{runs}")


def _measure_pure(options: argparse.Namespace) -> None:
    """Run a random batch `--loop` times, print and write how long it took."""
    alone.take(options.out)
    with open_model(
        options.model, options.backend, chosen_aipp(options.aipp), provider=options.provider
    ) as deployed:
        batch_size = check_batch_size(deployed, options.batch_size)
        first, seconds = repeat(deployed, batch_size, options.loop)
        what = f"{options.model.name}, {deployed.name}, {deployed.precision}, random input, first call {first:.3g} s not counted"
    path = options.out / f"pure_infer_batchsize_{batch_size}.txt"
    print(write_pure(path, batch_size, seconds, what), end="")
    print(
        f"{path}: {cli.counted(len(seconds), 'call')} with {cli.counted(batch_size, 'image')} each, after one to warm up"
    )


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Run a model over preprocessed .bin files and write one result file per input and output.

    The results are what the NPU's benchmark tool writes, so that postprocess.py reads both alike. With --loop, random
    input is run and only timed.
    """
    arguments = cli.parser(main.__doc__, prog="python -m common.infer")
    add = arguments.add_argument
    add("--model", type=Path, required=True, metavar="F", help="The model to run, an .onnx file.")
    source = arguments.add_mutually_exclusive_group(required=True)
    add_input(source, required=False)
    source.add_argument(
        "--loop",
        type=cli.positive_int,
        metavar="N",
        help="Time N calls on a random batch instead, after one to warm up.",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="The directory the results are written to.")
    cli.add_batch_size(arguments)
    add_backend(arguments)
    add("--output-format", choices=FORMATS, default="bin", help="Raw bytes or text (default: bin).")
    add_aipp(arguments)
    add_shard(arguments)
    options = arguments.parse_args(argv)
    if options.loop and options.shard:
        arguments.error("--shard is for --input; --loop runs random input")
    if options.loop:
        _measure_pure(options)
        return 0

    paths = inputs_of(options.input, options.shard)
    if not paths:
        print(f"{options.input}: none of its inputs belongs to shard {options.shard}; nothing to do")
        return 0
    aipp = chosen_aipp(options.aipp)
    with open_model(options.model, options.backend, aipp, provider=options.provider) as deployed:
        image = only_input(deployed.inputs, options.model)
        batch_size = choose_batch_size(deployed, options.batch_size)
        check_sizes(paths, image)
        this = {
            "model": network_hash(options.model),
            "backend": deployed.name,
            "precision": deployed.precision,
            "aipp": repr(aipp),
            "format": options.output_format,
        }
        todo = remaining(paths, options.out, this, len(deployed.outputs))
        if len(todo) < len(paths):
            there = len(paths) - len(todo)
            print(
                f"{there} of {cli.counted(len(paths), 'input')} already have their results; going on with the rest"
            )
        if todo:
            summarise = partial(_summarise, options.out, this, goes_on=any(_results(options.out, this)))
            infer(deployed, todo, options.out, batch_size, options.output_format, summarise)
    print(f"{options.out / DEVICE_FOLDER}: results of {cli.counted(len(paths), 'input')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
