"""Reading the result files of an inference tool, joined to their inputs by name.

`benchmark` numbers a model's outputs from 1, `ais_infer` and `ais_bench` from 0: `<stem>_<k>.bin` holds raw
little-endian values, `<stem>_<k>.txt` one line of space-separated numbers.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import simdjson
from numpy.typing import NDArray

from common.cli import shorten
from common.errors import GuideError
from common.files import read_text

DEVICE_FOLDER = "dumpOutput_device0"  # where `benchmark` puts the results of the first device
_RUN = re.compile(r"\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d")  # what `ais_infer` calls the directory of a run
_RESULT = re.compile(r"(.+)_(0|[1-9]\d*)\.(bin|txt)", re.DOTALL)


@dataclass(frozen=True)
class Results:
    """A complete result directory: every expected stem has every output, and nothing else is there."""

    folder: Path
    shapes: tuple[tuple[int, ...], ...]
    first: int
    suffix: str

    def read(self, stem: str) -> list[NDArray[np.float32]]:
        """Return the outputs of one input as float32 arrays of the expected shapes, without the batch."""
        return [self.read_all([stem], output)[0] for output in range(len(self.shapes))]

    def read_all(self, stems: Sequence[str], output: int = 0) -> NDArray[np.float32]:
        """Return one output of many inputs, in the order of `stems`, as one float32 array, inputs first."""
        shape, end = self.shapes[output], f"_{self.first + output}.{self.suffix}"
        values = np.empty((len(stems), math.prod(shape)), np.float32)
        fill = _fill_from_bytes if self.suffix == "bin" else partial(_fill_from_text, simdjson.Parser())
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which is refused below
            for row, stem in zip(values, stems, strict=True):
                path = f"{self.folder}/{stem}{end}"
                try:
                    fill(path, row, shape)
                except OSError as error:  # one of reading does not name its file
                    raise OSError(error.errno, error.strerror, path) from None
        if not np.isfinite(values).all():
            stem = stems[int(np.isfinite(values).all(axis=1).argmin())]
            raise GuideError(
                f"{self.folder / stem}{end}: holds values that are not finite. "
                "Where float16 overflows, convert with a higher precision."
            )
        return values.reshape(-1, *shape)


def open_results(
    folder: Path,
    stems: Iterable[str],
    shapes: Sequence[Sequence[int]],
    needed: int | None = None,
    others: Collection[str] = (),
) -> Results:
    """Check a result directory against the inputs it must belong to, before anything is scored.

    `folder` may also be the directory around `dumpOutput_device0`, or around the one dated directory that `ais_infer`
    makes. `shapes` are those of the outputs in order, without the batch; the first `needed` of them have to be there
    (default: all). Missing and superfluous files are errors that name them, but results of `others` are left alone;
    sizes are checked when a file is read.
    """
    if (folder / DEVICE_FOLDER).is_dir():
        folder = folder / DEVICE_FOLDER
    if not folder.is_dir():
        raise GuideError(f"{folder}: no such result directory.")
    expected, sizes = dict.fromkeys(stems), tuple(tuple(shape) for shape in shapes)
    if exact := _exactly(folder, expected, len(sizes)):
        return Results(folder, sizes, *exact)
    folder = _enter_run(folder)
    found, strangers = _sort_files(folder)
    if len(found) != 1:
        what = "both .bin and .txt results; remove one kind" if found else "no result file `<name>_<k>.bin`"
        raise GuideError(f"{folder}: holds {what}.")
    ((suffix, everything),) = found.items()
    results = {stem: ks for stem, ks in everything.items() if stem in expected or stem not in others}
    _refuse(folder, "files that are no `<name>_<k>` result:", strangers, "Remove them.")
    missing = sorted(expected.keys() - results.keys())
    _refuse(folder, "no result for", missing, "Run the inference again for them.")
    extra = sorted(results.keys() - expected.keys())
    _refuse(
        folder, "results that belong to no input:", extra, "Remove them, or give the inputs they belong to."
    )
    first = min(min(numbers) for numbers in results.values())
    complete = [set(range(first, first + count)) for count in range(needed or len(shapes), len(shapes) + 1)]
    numbers = next((count for count in complete if all(found == count for found in results.values())), None)
    if first > 1 or numbers is None:
        example = min(results, key=lambda stem: (results[stem] in complete, len(results[stem]), stem))
        most = f"{needed} to {len(shapes)}" if needed and needed < len(shapes) else len(shapes)
        raise GuideError(
            f"{folder}: expected {most} outputs per input, as many for all, numbered from 0 or from 1; "
            f"found {sorted(results[example])} for {example!r}."
        )
    return Results(folder, sizes[: len(numbers)], first, suffix)


def _enter_run(folder: Path) -> Path:
    """Return the dated directory of a run of `ais_infer` in a directory, if there is one."""
    runs = sorted(path for path in folder.iterdir() if _RUN.fullmatch(path.name) and path.is_dir())
    if len(runs) > 1:
        names = shorten(path.name for path in runs)
        raise GuideError(f"{folder}: holds the results of {len(runs)} runs, {names}; name one of them.")
    return runs[0] if runs else folder


def _exactly(folder: Path, stems: Collection[str], outputs: int) -> tuple[int, str] | None:
    """Return first number and suffix if a directory holds the expected files and no other: the usual, and quickest."""
    names = set(os.listdir(folder))  # noqa: PTH208  the names alone
    example = next(iter(stems), "")
    for first, suffix in itertools.product((0, 1), ("bin", "txt")):
        numbers = range(first, first + outputs)
        if f"{example}_{first}.{suffix}" in names:
            expected = {f"{stem}_{k}.{suffix}" for stem in stems for k in numbers}
            if names == expected:
                return first, suffix
    return None


def _sort_files(folder: Path) -> tuple[dict[str, dict[str, set[int]]], list[str]]:
    """Return the output numbers by suffix and stem, and the .bin files that are no results."""
    found: dict[str, dict[str, set[int]]] = {}
    strangers = []
    for entry in os.scandir(folder):
        name = entry.name
        if name.startswith((".", "perf_vision_batchsize_")) or not entry.is_file():
            continue
        if match := _RESULT.fullmatch(name):
            stem, number, suffix = match.groups()
            found.setdefault(suffix, {}).setdefault(stem, set()).add(int(number))
        elif name.endswith(".bin"):  # a .txt may be the scores that were written beside the results
            strangers.append(name)
    return found, sorted(strangers)


def _refuse(folder: Path, what: str, names: list[str], remedy: str) -> None:
    if names:
        raise GuideError(f"{folder}: {what} {shorten(names)} ({len(names)} in all). {remedy}")


def _fill_from_bytes(path: str, row: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Read raw little-endian float32 values into `row`; one system call each to open, read and close."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe is empty, not waited for
    try:
        count = os.readv(file, (row.data, bytearray(1)))  # the spare byte tells a file that is too long
        found = count if count <= row.nbytes else os.fstat(file).st_size
    finally:
        os.close(file)
    if found != row.nbytes:
        hint = (
            " Half the size: was the model converted with --output_type=FP16?"
            if 2 * found == row.nbytes
            else ""
        )
        raise GuideError(
            f"{path}: expected {row.nbytes} bytes ({'x'.join(map(str, shape))} float32), found {found}.{hint} "
            "Run the inference again."
        )


def _fill_from_text(
    parser: simdjson.Parser, path: str, row: NDArray[np.float32], shape: tuple[int, ...]
) -> None:
    """Read numbers, separated by white space, into `row`.

    Numbers with single spaces between them are a JSON array but for its commas and brackets, and simdjson reads that
    five times as fast as numpy. numpy reads what is no JSON, as `1.` and `nan`.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe is empty, not waited for
    try:
        data = os.read(file, os.fstat(file).st_size)
    finally:
        os.close(file)
    try:
        if b"," in data or b"[" in data:
            raise ValueError  # JSON by itself, which the tools do not write
        array: Any = parser.parse(b"[" + data.strip().replace(b" ", b",") + b"]")
        values = np.frombuffer(array.as_buffer(of_type="d"))
    except (ValueError, TypeError, RuntimeError):  # RuntimeError: a whole number beyond 64 bits
        try:
            values = np.array(data.decode("ascii").split(), dtype=np.float64)
        except ValueError:
            raise GuideError(f"{path}: expected space-separated numbers. Run the inference again.") from None
    if values.size != row.size:
        raise GuideError(
            f"{path}: expected {row.size} values ({'x'.join(map(str, shape))}), found {values.size}."
        )
    row[:] = values


def origin_of(folder: Path) -> tuple[str | None, str | None]:
    """Return the backend and precision behind a result directory, where `common.infer` noted them beside it."""
    run = _run_of(folder)
    return run.get("backend"), run.get("precision")


def network_of(folder: Path) -> str | None:
    """Return the hash of the network's file behind a result directory, where `common.infer` noted it beside it."""
    return _run_of(folder).get("model")


def _run_of(folder: Path) -> dict[str, str]:
    """Return what `common.infer` noted of its run, backend and precision at least; nothing of other tools' results."""
    for record in (folder / "infer.json", folder.parent / "infer.json"):
        with contextlib.suppress(
            OSError, ValueError, RecursionError, GuideError
        ):  # absent, or not written by us
            run = json.loads(read_text(record))
            if isinstance(run, dict) and {"backend", "precision"} <= run.keys():
                return {name: str(value) for name, value in run.items() if name != "sources"}
    return {}
