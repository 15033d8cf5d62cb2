"""The .bin files that a preprocessing step writes and a network reads: which there are, and whether they fit."""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Collection, Container, Sequence
from pathlib import Path

import numpy as np

from common import cli
from common.errors import GuideError
from common.graph.outline import Value, item_shape
from common.npu_files.input_list import list_files, read_info


def is_whole(path: Path, size: int) -> bool:
    """Tell whether a file is there with all its bytes."""
    return path.is_file() and path.stat().st_size == size


def note_others(out: Path, names: Collection[str]) -> None:
    """Print a note about .bin files in a directory that have other names: an inference would take them, too."""
    others = sorted(path.stem for path in out.glob("[!.]*.bin") if path.stem not in names)
    if others:
        print(f"note: {len(others)} more .bin files there belong to other pictures: {cli.shorten(others)}")


def add_input(arguments: argparse._ActionsContainer, *, required: bool = True) -> None:
    """Add `--input X`."""
    arguments.add_argument(
        "--input",
        type=Path,
        required=required,
        metavar="X",
        help="The inputs: an .info list made by get_info.py, or a directory of .bin files.",
    )


def inputs_of(source: Path, shard: Container[str] | None = None) -> list[Path]:
    """Return the .bin files that an .info file lists, or that a directory holds, sorted; stems are unique.

    Those of other shards need not be there; a shard may have none.
    """
    if not source.exists():
        raise GuideError(f"{source}: no such list or directory; make it with preprocess.py and get_info.py.")
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


def check_sizes(paths: Sequence[Path], image: Value) -> None:
    """Check that every file holds exactly one item of a model's input."""
    dims = item_shape(image)
    expected = math.prod(dims) * np.dtype(image.dtype).itemsize
    wrong = [f"{path} ({path.stat().st_size} bytes)" for path in paths if path.stat().st_size != expected]
    if wrong:
        raise GuideError(
            f"{len(wrong)} of {len(paths)} inputs have another size than the model's input, {expected} bytes "
            f"({'x'.join(map(str, dims))} {image.dtype}): {cli.shorten(wrong)}. Make them again with preprocess.py. "
            + (
                "Files of the older scripts, float32 with the mean subtracted, need --aipp none."
                if image.dtype == "uint8"
                else "Files of uint8 pictures need the model's AIPP file: run inside its directory, or give --aipp F."
            )
        )
