"""Offline inference over preprocessed .bin files, with the files the NPU's `benchmark` tool reads and writes.

    python -m common.infer --model faceboxes-b0.onnx --input faceboxes_prep_bin.info --out result

For each input `<stem>.bin` it writes `OUT/dumpOutput_device0/<stem>_<k>.bin`, k counting the model's outputs
from 1, and one summary `OUT/perf_vision_batchsize_<N>_device_0.txt`. Run again after an interruption, it goes on
with the inputs whose results are not complete.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import cli
from common import facts as model_toml
from common.backends import base as backend
from common.backends.deployed import BACKENDS, open_model
from common.engine.shard import Shard, add_shard
from common.errors import GuideError
from common.files import file_hash, write_array, write_text
from common.graph.aipp import Aipp, named_aipp, read_aipp
from common.npu_files.input_list import list_files, read_info
from common.npu_files.results import DEVICE_FOLDER
from common.npu_files.summary import write_summary
from common.resume import unfinished
from common.threads import batches, map_threads

Array = NDArray[Any]
FORMATS = ("bin", "txt")


def inputs_of(source: Path, shard: Shard | None = None) -> list[Path]:
    """Return the .bin files that an .info file lists, or that a directory holds, sorted; stems are unique.

    Those of other shards need not be there; a shard may have none.
    """
    if shard and _is_empty(source):
        return []
    paths = list_files(source, (".bin",)) if source.is_dir() else read_info(source)
    paths = [path for path in paths if shard is None or path.stem in shard]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise GuideError(
            f"{source}: {len(missing)} of {len(paths)} inputs do not exist: {cli.shorten(missing)}. "
            "Paths are relative to the directory this command runs in; make the list again with get_info.py."
        )
    twice = [stem for stem, count in Counter(path.stem for path in paths).items() if count > 1]
    if twice:
        raise GuideError(
            f"{source}: results are named after the inputs, but these names occur twice: {twice}."
        )
    return paths


def _is_empty(source: Path) -> bool:
    """Tell whether preprocessing an empty shard left this: a directory without .bin files, a list without a line."""
    if source.is_dir():
        return not any(source.glob("[!.]*.bin"))
    return source.is_file() and not source.stat().st_size


def check_sizes(paths: Sequence[Path], shape: Sequence[int | str], dtype: str) -> None:
    """Check that every file holds exactly one image of `shape` (batch first) and `dtype`."""
    dims = [dim for dim in shape[1:] if isinstance(dim, int)]
    if len(dims) != len(shape) - 1:
        raise GuideError(
            f"the model's input shape {tuple(shape)} is dynamic beyond the batch; export it fixed."
        )
    expected = int(np.prod(dims)) * np.dtype(dtype).itemsize
    wrong = [f"{path} ({path.stat().st_size} bytes)" for path in paths if path.stat().st_size != expected]
    if wrong:
        raise GuideError(
            f"{len(wrong)} of {len(paths)} inputs have another size than the model's input, {expected} bytes "
            f"({'x'.join(map(str, dims))} {dtype}): {cli.shorten(wrong)}. Make them again with preprocess.py. "
            + (
                "Files of the older scripts, float32 with the mean subtracted, need --aipp none."
                if dtype == "uint8"
                else "Files of uint8 pictures need the model's AIPP file: run inside its directory, or give --aipp F."
            )
        )


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
    model: backend.Backend, paths: Sequence[Path], out: Path, batch_size: int, suffix: str
) -> dict[str, float]:
    """Run all inputs, write all results, and return the seconds spent in each stage.

    Stages as in the benchmark tool: read, preprocess (stacking a batch), infer, post (writing), total.
    """
    folder = out / DEVICE_FOLDER
    seconds = dict.fromkeys(("read", "preprocess", "infer", "post"), 0.0)
    dtype, shape = np.dtype(model.inputs[0].dtype), [int(dim) for dim in model.inputs[0].shape[1:]]

    def read(path: Path) -> tuple[str, Array, float]:
        start = time.perf_counter()
        data = np.fromfile(path, dtype).reshape(shape)
        return path.stem, data, time.perf_counter() - start

    begin = time.perf_counter()
    images = cli.progress(map_threads(read, paths, 2), len(paths), "infer")
    for batch in batches(images, batch_size):
        marks = [time.perf_counter()]
        stacked = np.stack([image for _, image, _ in batch])
        marks.append(time.perf_counter())
        outputs = backend.run_batch(model, stacked)
        marks.append(time.perf_counter())
        for row, (stem, _, _) in enumerate(batch):
            targets = result_paths(folder, stem, len(outputs), suffix)
            for target, output in zip(targets, outputs, strict=True):
                write_output(target, output[row])
        marks.append(time.perf_counter())
        seconds["read"] += sum(spent for _, _, spent in batch)
        for stage, start, end in zip(("preprocess", "infer", "post"), marks, marks[1:], strict=False):
            seconds[stage] += end - start
    return seconds | {"total": time.perf_counter() - begin}


def remaining(paths: Sequence[Path], out: Path, run: dict[str, Any], outputs: int) -> list[Path]:
    """Return the inputs whose results are not there yet, see `resume.unfinished`; `OUT/infer.json` is the record."""
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
    todo = unfinished(
        out / "infer.json", run, sources, lambda stem: result_paths(folder, stem, outputs, suffix)
    )
    return [sources[stem] for stem in todo]


def find_aipp(choice: str | None) -> Aipp | None:
    """Return the AIPP block named on the command line or by the working directory's model.toml, if any."""
    if choice is not None:
        return None if choice == "none" else read_aipp(Path(choice))
    here = Path()
    return named_aipp(model_toml.read_facts(here), here) if (here / "model.toml").is_file() else None


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Run a model over preprocessed .bin files and write one result file per input and output.

    The results are what the NPU's benchmark tool writes, so that postprocess.py reads both alike.
    """
    arguments = cli.parser(main.__doc__, prog="python -m common.infer")
    add = arguments.add_argument
    add("--model", type=Path, required=True, metavar="F", help="The model to run, an .onnx file.")
    add(
        "--input",
        type=Path,
        required=True,
        metavar="X",
        help="The inputs: an .info list made by get_info.py, or a directory of .bin files.",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="The directory the results are written to.")
    cli.add_batch_size(arguments)
    add(
        "--backend",
        choices=BACKENDS,
        help="What runs the model (default: the one that the model's suffix calls for).",
    )
    add("--output-format", choices=FORMATS, default="bin", help="Raw bytes or text (default: bin).")
    add(
        "--aipp",
        metavar="F",
        help="The AIPP file whose meaning is applied to uint8 inputs, or `none` for inputs in the model's own "
        "type (default: what model.toml in the working directory names, if there is one).",
    )
    add_shard(arguments)
    options = arguments.parse_args(argv)

    paths = inputs_of(options.input, options.shard)
    if not paths:
        print(f"{options.input}: none of its inputs belongs to shard {options.shard}; nothing to do")
        return 0
    aipp = find_aipp(options.aipp)
    model = open_model(options.model, options.backend, aipp)
    if len(model.inputs) != 1:
        raise GuideError(f"{options.model}: expected a model with one input, found {len(model.inputs)}.")
    batch_size = backend.choose_batch_size(model, options.batch_size)
    check_sizes(paths, model.inputs[0].shape, model.inputs[0].dtype)

    run = {
        "model": file_hash(options.model),
        "backend": model.name,
        "precision": model.precision,
        "aipp": repr(aipp),
        "format": options.output_format,
    }
    todo = remaining(paths, options.out, run, len(model.outputs))
    if len(todo) < len(paths):
        print(
            f"{len(paths) - len(todo)} of {len(paths)} inputs already have their results; going on with the rest"
        )
    if todo:
        seconds = infer(model, todo, options.out, batch_size, options.output_format)
        perf = options.out / f"perf_vision_batchsize_{batch_size}_device_0.txt"
        print(write_summary(perf, len(todo), batch_size, seconds), end="")
        print(f"{perf}: performance of {len(todo)} inputs")
    model.close()
    print(f"{options.out / DEVICE_FOLDER}: results of {len(paths)} inputs")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
