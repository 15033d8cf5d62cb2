"""Reading the result files of an inference tool, joined to their inputs by name.

`benchmark` numbers a model's outputs from 1, `ais_infer` and `ais_bench` from 0: `<stem>_<k>.bin` holds raw
little-endian values, `<stem>_<k>.txt` one line of space-separated numbers.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import shorten
from common.errors import GuideError
from common.files import read_text

DEVICE_FOLDER = "dumpOutput_device0"  # where `benchmark` puts the results of the first device
_RESULT = re.compile(r"(?P<stem>.+)_(?P<k>0|[1-9]\d*)\.(?P<suffix>bin|txt)", re.DOTALL)
_SUMMARY = re.compile(r"perf_vision_batchsize_.*")


@dataclass(frozen=True)
class Results:
    """A complete result directory: every expected stem has every output, and nothing else is there."""

    folder: Path
    shapes: tuple[tuple[int, ...], ...]
    first: int
    suffix: str

    def read(self, stem: str) -> list[NDArray[np.float32]]:
        """Return the outputs of one input as float32 arrays of the expected shapes, without the batch."""
        return [
            _read(self.folder / f"{stem}_{k}.{self.suffix}", shape)
            for k, shape in enumerate(self.shapes, self.first)
        ]


def open_results(folder: Path, stems: Iterable[str], shapes: Sequence[Sequence[int]]) -> Results:
    """Check a result directory against the inputs it must belong to, before anything is scored.

    `folder` may also be the directory around `dumpOutput_device0`. `shapes` are those of the outputs in
    order, without the batch. Missing, superfluous and wrong-sized files are errors that name them.
    """
    if (folder / DEVICE_FOLDER).is_dir():
        folder = folder / DEVICE_FOLDER
    if not folder.is_dir():
        raise GuideError(f"{folder}: no such result directory.")
    found, strangers = _sort_files(folder)
    if len(found) != 1:
        what = "both .bin and .txt results; remove one kind" if found else "no result file `<name>_<k>.bin`"
        raise GuideError(f"{folder}: holds {what}.")
    ((suffix, results),) = found.items()
    first = min(min(numbers) for numbers in results.values())
    wanted = set(range(first, first + len(shapes)))

    _refuse(folder, "files that are no `<name>_<k>` result:", strangers, "Remove them.")
    expected = set(stems)
    _refuse(folder, "no result for", sorted(expected - set(results)), "Run the inference again for them.")
    extra = sorted(set(results) - expected)
    _refuse(
        folder, "results that belong to no input:", extra, "Remove them, or give the inputs they belong to."
    )
    incomplete = sorted(stem for stem, numbers in results.items() if numbers != wanted)
    if first > 1 or incomplete:
        example = incomplete[0] if incomplete else next(iter(results))
        raise GuideError(
            f"{folder}: expected {len(shapes)} outputs per input, numbered from 0 or from 1; "
            f"found {sorted(results[example])} for {example!r}."
        )
    opened = Results(folder, tuple(tuple(shape) for shape in shapes), first, suffix)
    if suffix == "bin":
        for stem in sorted(expected):
            for k, shape in enumerate(opened.shapes, first):
                _check_size(folder / f"{stem}_{k}.bin", shape)
    return opened


def _sort_files(folder: Path) -> tuple[dict[str, dict[str, set[int]]], list[str]]:
    """Return the output numbers by suffix and stem, and the .bin files that are no results."""
    found: dict[str, dict[str, set[int]]] = {}
    strangers = []
    for path in folder.iterdir():
        if path.name.startswith(".") or path.suffix not in (".bin", ".txt") or _SUMMARY.fullmatch(path.name):
            continue
        if match := _RESULT.fullmatch(path.name):
            found.setdefault(match["suffix"], {}).setdefault(match["stem"], set()).add(int(match["k"]))
        elif path.suffix == ".bin":  # a .txt may be the scores that were written beside the results
            strangers.append(path.name)
    return found, sorted(strangers)


def _refuse(folder: Path, what: str, names: list[str], remedy: str) -> None:
    if names:
        raise GuideError(f"{folder}: {what} {shorten(names)} ({len(names)} in all). {remedy}")


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    expected, found = 4 * int(np.prod(shape)), path.stat().st_size
    if found != expected:
        hint = (
            " Half the size: was the model converted with --output_type=FP16?"
            if 2 * found == expected
            else ""
        )
        raise GuideError(
            f"{path}: expected {expected} bytes ({'x'.join(map(str, shape))} float32), found {found}.{hint} "
            "Run the inference again."
        )


def _read(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    if path.suffix == ".bin":
        values = np.fromfile(path, "<f4")
    else:
        try:
            values = np.array(path.read_text(encoding="ascii").split(), dtype=np.float32)
        except ValueError:
            raise GuideError(f"{path}: expected space-separated numbers. Run the inference again.") from None
    if values.size != np.prod(shape):
        raise GuideError(f"{path}: expected {int(np.prod(shape))} values, found {values.size}.")
    if not np.isfinite(values).all():
        raise GuideError(
            f"{path}: holds values that are not finite. Where float16 overflows, convert with a higher precision."
        )
    return values.reshape(shape)


def made_by(folder: Path) -> tuple[str | None, str | None]:
    """Return the backend and precision behind a result directory, where `common.infer` noted them beside it."""
    for record in (folder / "infer.json", folder.parent / "infer.json"):
        with contextlib.suppress(OSError, ValueError, KeyError, GuideError):  # absent, or not written by us
            run = json.loads(read_text(record))
            return str(run["backend"]), str(run["precision"])
    return None, None
