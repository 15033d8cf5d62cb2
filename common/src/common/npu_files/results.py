"""Reading the result files of an inference tool, joined to their inputs by name.

Files have the suffix .bin, raw little-endian values, .txt, numbers, or .npy; `result_names` tells what the tools call them.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common import rehearsal
from common.cli import progress, shorten
from common.errors import GuideError
from common.files import read_text
from common.npu_files.result_names import PURE, cut_alike, enter, is_numbered, sort_files
from common.npu_files.result_values import SUFFIXES, filler

DEVICE_FOLDER = "dumpOutput_device0"  # where `benchmark` puts the results of the first device


@dataclass(frozen=True)
class Results:
    """A complete result directory: every expected stem has every output, and nothing else is there.

    The files are those that `files` has by stem and output's number, others `folder/<stem>_<number>.<suffix>`.
    """

    folder: Path
    shapes: tuple[tuple[int, ...], ...]
    first: int
    suffix: str
    files: Mapping[str, Mapping[int, str]] | None = None

    def path(self, stem: str, output: int) -> str:
        """Return the file that holds an output, counted from 0, of an input."""
        number = self.first + output
        plain = f"{self.folder}/{stem}_{number}.{self.suffix}"
        return plain if self.files is None else self.files.get(stem, {}).get(number, plain)

    def read(self, stem: str) -> list[NDArray[np.float32]]:
        """Return the outputs of one input as float32 arrays of the expected shapes, without the batch."""
        return [self.read_all([stem], output)[0] for output in range(len(self.shapes))]

    def read_all(self, stems: Sequence[str], output: int = 0) -> NDArray[np.float32]:
        """Return one output of many inputs, in the order of `stems`, as one float32 array, inputs first."""
        shape = self.shapes[output]
        values = np.empty((len(stems), math.prod(shape)), np.float32)
        fill = filler(self.suffix)
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, which is refused below
            listed = zip(values, stems, strict=True)
            for row, stem in progress(listed, len(stems), "read", "file") if len(stems) > 1 else listed:
                path = self.path(stem, output)
                try:
                    fill(path, row, shape)
                except OSError as error:  # one of reading does not name its file
                    raise OSError(error.errno, error.strerror, path) from None
        if not np.isfinite(values).all():
            stem = stems[int(np.isfinite(values).all(axis=1).argmin())]
            raise GuideError(
                f"{self.path(stem, output)}: holds values that are not finite. "
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

    `folder` may also be one around the tool's own, see `result_names`. `shapes` are those of the outputs in order,
    without the batch; the first `needed` of them have to be there (default: all). Missing and superfluous files are
    errors that name them, but results of `others` are left alone; sizes are checked when a file is read.
    """
    if not folder.is_dir():
        raise GuideError(f"{folder}: no such result directory. Section 5 of the README makes it.")
    expected, sizes = dict.fromkeys(stems), tuple(tuple(shape) for shape in shapes)
    if exact := _exactly(folder, expected, len(sizes)):
        return Results(folder, sizes, *exact)
    folders = enter(folder, expected)
    if len(folders) == 1 and folders != [folder]:
        folder = folders[0]
        if exact := _exactly(folder, expected, len(sizes)):
            return Results(folder, sizes, *exact)
    found = sort_files(folders, {*expected, *others})
    if len(found.files) != 1:
        raise GuideError(f"{folder}: holds {_kinds(folders, [*found.files])}.")
    ((suffix, everything),) = found.files.items()
    results = {stem: ks for stem, ks in everything.items() if stem in expected or stem not in others}
    _refuse(folder, "files that are no `<name>_<k>` result:", found.strangers, "Remove them.")
    missing = sorted(expected.keys() - results.keys())
    _refuse(folder, *_twice(found.twice, missing, expected))
    if (by_number := sorted(stem for stem in everything if is_numbered(stem))) and missing:
        _refuse(
            folder,
            "results that are named by a number, without the sumary.json that says of which input:",
            by_number,
            "Put it beside them, or run the inference again.",
        )
    _refuse(folder, "no result for", missing, "Run the inference again for them.")
    extra = sorted(results.keys() - expected.keys())
    _refuse(
        folder, "results that belong to no input:", extra, "Remove them, or give the inputs they belong to."
    )
    first = min(min(numbers) for numbers in results.values())
    complete = [set(range(first, first + count)) for count in range(needed or len(shapes), len(shapes) + 1)]
    numbers = next((count for count in complete if all(ks.keys() == count for ks in results.values())), None)
    if first > 1 or numbers is None:
        example = min(results, key=lambda stem: (results[stem].keys() in complete, len(results[stem]), stem))
        most = f"{needed} to {len(shapes)}" if needed and needed < len(shapes) else len(shapes)
        raise GuideError(
            f"{folder}: expected {most} outputs per input, as many for all, numbered from 0 or from 1; "
            f"found {sorted(results[example])} for {example!r}."
        )
    return Results(folder, sizes[: len(numbers)], first, suffix, everything)


def _kinds(folders: Iterable[Path], suffixes: Sequence[str]) -> str:
    """Return in words what is wrong with the kinds of results that there are."""
    if suffixes:
        both = " and ".join(f".{suffix}" for suffix in sorted(suffixes, key=SUFFIXES.index))
        return f"both {both} results; remove one kind"
    if any(any(folder.glob(f"{PURE}_*")) for folder in folders):
        return "the results of pure inference, of made-up data; run the inference on the inputs"
    return "no result file `<name>_<k>.bin`"


def _twice(
    twice: Collection[str], missing: Collection[str], expected: Collection[str]
) -> tuple[str, list[str], str]:
    """Return what to refuse where two inputs share a result, or an input has two."""
    alike = cut_alike(expected)
    if alike and not {*alike}.isdisjoint({*missing, *twice}):
        words = "the tool ends names at their first dot, so that the results of these overwrote each other:"
        return (
            words,
            alike,
            "Run them with common.infer --tool, which keeps them apart, or rename the inputs.",
        )
    return (
        "more than one result for",
        sorted(twice),
        "Name the directory of one run, or remove those of another.",
    )


def _exactly(folder: Path, stems: Collection[str], outputs: int) -> tuple[int, str] | None:
    """Return first number and suffix if a directory holds the expected files and no other: the usual, and quickest."""
    names = set(os.listdir(folder))  # noqa: PTH208  the names alone
    names.discard(rehearsal.MARK)
    example = next(iter(stems), "")
    for first, suffix in itertools.product((0, 1), SUFFIXES):
        numbers = range(first, first + outputs)
        if f"{example}_{first}.{suffix}" in names:
            expected = {f"{stem}_{k}.{suffix}" for stem in stems for k in numbers}
            if names == expected:
                return first, suffix
    return None


def _refuse(folder: Path, what: str, names: list[str], remedy: str) -> None:
    if names:
        raise GuideError(f"{folder}: {what} {shorten(names)} ({len(names)} in all). {remedy}")


def origin_of(*folders: Path) -> tuple[str | None, str | None]:
    """Return the backend and precision behind result directories, where `common.infer` noted them: the first one's.

    Results of a rehearsal are marked, whoever wrote them: where there are such, it is theirs.
    """
    origins = [_origin(folder) for folder in folders]
    return next((each for each in origins if (each[0] or "").endswith(rehearsal.SUFFIX)), origins[0])


def _origin(folder: Path) -> tuple[str | None, str | None]:
    run = _run_of(folder)
    backend, precision = run.get("backend"), run.get("precision")
    marked = any(rehearsal.is_marked(each) for each in (folder, folder.parent, *_inner(folder)))
    if marked and not (backend or "").endswith(rehearsal.SUFFIX):
        return f"{backend or 'om'} {rehearsal.SUFFIX}", "float32"
    return backend, precision


def _inner(folder: Path) -> list[Path]:
    with contextlib.suppress(OSError, GuideError):
        return enter(folder)
    return []


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
