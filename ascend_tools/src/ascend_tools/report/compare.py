"""Runs side by side: what differs between them, how their figures differ, and whether that is more than chance."""

from __future__ import annotations

import argparse
import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ascend_tools.report import bootstrap
from ascend_tools.report.bootstrap import EXACT, Difference
from ascend_tools.report.flips import Flip, changed, flips, rules
from ascend_tools.report.read import read_metrics
from common import cli
from common.errors import GuideError
from common.files import write_json, write_text
from common.report.beside import flat, number
from common.report.metrics_json import FILE
from common.report.units import Units, read

JSON, FLIPS = "comparison.json", "flips.csv"
SETTINGS = ("dataset", "why", "weights", "backend", "precision", "batch size", "provenance", "versions")
MEASURED = ("images", "metrics", "images/s", "peak memory in MiB", "seconds")
# What is annotated, of all kinds of units; the rest is what was found.
TRUTH = {"truth_unit", "truth_class", "classes", "truths", "fold", "same", "tops", "recalls", "thresholds"}
_SHOWN = 3  # of the worst flips, and of the best
_WIDTH = 36  # characters of a cell at most, on the screen


@dataclass(frozen=True)
class Run:
    """A run: what metrics.json says, and what its figures are computed of, or why that is not known."""

    path: Path
    report: dict[str, Any]
    units: Units | None
    problem: str = ""


@dataclass(frozen=True)
class Comparison:
    """A run beside the first one: figures of both by name; with the interval where `problem` does not say why not.

    `unlike` says that the two are not of the same data: then nothing can be said at all.
    """

    figures: dict[str, tuple[float, float]]
    differences: list[Difference] = field(default_factory=list)
    flips: list[Flip] = field(default_factory=list)
    problem: str = ""
    unlike: bool = False

    def drops(self, accept: float) -> list[str]:
        """Return the figures that dropped by more than that share of the first run's."""
        return [
            name
            for name, (first, second) in self.figures.items()
            if first - second > accept * max(first, 0.0) + EXACT
        ]


def share(text: str) -> float:
    """Argument type: a share, "1%" or "0.01"."""
    return cli.number(0, 100)(text[:-1]) / 100 if text.endswith("%") else cli.number(0, 1)(text)


def compare(paths: Sequence[Path], accept: float | None, out: Path | None = None) -> int:
    """Print runs side by side, each compared with the first one; return the exit status.

    That is 1 where a figure is lower than the first run's by more than the share `accept` of it, or where the runs are not of
    the same data and cannot be judged. With `out`, all of it is written to `out`/comparison.json and flips.csv before.
    """
    runs = [_read_run(path) for path in paths]
    models = {str(run.report.get("model")) for run in runs}
    if len(models) > 1:
        raise GuideError(f"expected runs of one model, found {', '.join(sorted(models))}.")
    cli.announce(f"comparing {cli.counted(len(runs), 'run')}")
    compared = _compare(runs)
    names = _names(runs)
    if out:
        write_json(out / JSON, _as_data(names, runs, compared, accept))
        write_text(out / FLIPS, _flips_csv(names, compared))
    for line in _lines(names, runs, compared):
        print(line)
    if out:
        print(f"{out / JSON}, {out / FLIPS}: all of it")
    for name, each in zip(names[1:], compared, strict=True):
        print(_verdict(name, names[0], each, accept))
    return int(any(_fails(each, accept) for each in compared))


def _read_run(path: Path) -> Run:
    path = path if path.suffix == ".json" else path / FILE
    report = read_metrics(path)
    try:
        units = read(path.parent)
    except (GuideError, OSError) as error:
        return Run(path, report, None, cli.message(error))
    for name, value in zip(units.figures, bootstrap.once(units).tolist(), strict=True):
        stored = number(report["metrics"].get(name))
        if stored is None or not abs(stored - value) <= EXACT:
            return Run(
                path,
                report,
                None,
                f"{path.parent}/details are of another run than metrics.json: they give {name} {value!r}, and that says "
                f"{stored!r}; run evaluate.py or postprocess.py again",
            )
    return Run(path, report, units)


def _names(runs: Sequence[Run]) -> list[str]:
    """Return what runs are called: their directories, or letters where these are not told apart."""
    names = [run.path.parent.name or str(run.path.parent) for run in runs]
    return (
        names
        if len({*names}) == len(names)
        else [chr(ord("A") + i % 26) + str(i // 26 or "") for i in range(len(runs))]
    )


def _compare(runs: Sequence[Run]) -> list[Comparison]:
    first, found = runs[0], {}
    for place, run in enumerate(runs[1:], 1):
        figures = _figures(first, run)
        if first.units is None or run.units is None:
            found[place] = Comparison(
                figures, problem=first.problem or run.problem, unlike=_is_unlike(first, run)
            )
        elif other := unlike(first.units, run.units):
            found[place] = Comparison(figures, problem=other, unlike=True)
    places = [place for place in range(1, len(runs)) if place not in found]
    units = [each for place in (0, *places) if (each := runs[place].units)]
    if places:
        drawn = bootstrap.resampled(units)
        for row, place in enumerate(places, 1):
            ours, theirs = units[0], units[row]
            steps = bootstrap.differences(ours, theirs, drawn[[0, row]], changed(ours, theirs))
            found[place] = Comparison(_figures(first, runs[place]), steps, flips(ours, theirs))
    return [found[place] for place in range(1, len(runs))]


def _figures(first: Run, run: Run) -> dict[str, tuple[float, float]]:
    """Return the figures that are judged, of both runs: those that can be computed again, or that are published."""
    names = first.units.figures if first.units else first.report.get("published") or ()
    pairs = {name: tuple(number(each.report["metrics"].get(name)) for each in (first, run)) for name in names}
    return {name: (a, b) for name, (a, b) in pairs.items() if a is not None and b is not None}


def _is_unlike(first: Run, run: Run) -> bool:
    """Tell whether two runs are on other data, as far as metrics.json knows."""
    return any(first.report.get(key) != run.report.get(key) for key in ("dataset", "images"))


def unlike(first: Units, second: Units) -> str:
    """Return in what the data of two runs differ, nothing if they do not: pictures, pairs or queries, and their truth."""
    if (first.kind, [*first.figures]) != (second.kind, [*second.figures]):
        return "other figures"
    if first.keys != second.keys:
        only = [{*a.keys} - {*b.keys} for a, b in ((first, second), (second, first))]
        plural = "queries" if first.noun == "query" else f"{first.noun}s"
        listed = "; ".join(
            f"{len(names)} only in the {place} run ({cli.shorten(sorted(names))})"
            for names, place in zip(only, ("first", "other"), strict=True)
            if names
        )
        return f"other {plural}: {listed or 'the same in another order'}"
    others = sorted(
        name
        for name in TRUTH & first.arrays.keys()
        if not np.array_equal(first.arrays[name], second.arrays[name])
    )
    return f"other annotations ({', '.join(others)})" if others else ""


def _lines(names: Sequence[str], runs: Sequence[Run], compared: Sequence[Comparison]) -> Iterator[str]:
    yield "what differs:"
    yield from _table(["", *names], _settings(runs))
    yield "what was measured:"
    yield from _table(["", *names], [[row[0], *map(_digits, row[1:])] for row in _rows(runs, MEASURED)])
    for name, each in zip(names[1:], compared, strict=True):
        yield f"{name} against {names[0]}:"
        yield from _told(runs[0], each)


def _told(first: Run, compared: Comparison) -> Iterator[str]:
    if compared.problem:
        yield f"  without an interval: {compared.problem}"
    for each in compared.differences:
        share_of = f" ({100 * each.change / each.first:+.2f} % of it)" if each.first > 0 else ""
        yield (
            f"  {each.figure}: {each.first:.4f} to {each.second:.4f}, {each.change:+.5f}{share_of}; 95 % from {each.low:+.5f} "
            f"to {each.high:+.5f}: {each.word}"
        )
        if each.word != "same":
            yield f"    the smallest difference that these data could show is about {each.least:.5f}"
    if compared.differences and first.units:
        yield from _flipped(first.units, compared)


def _flipped(units: Units, compared: Comparison) -> Iterator[str]:
    lost = [flip for flip in compared.flips if flip.gain < 0]
    gained = [flip for flip in compared.flips if flip.gain > 0]
    total = (
        cli.counted(len(units.keys), units.noun) if units.noun != "query" else f"{len(units.keys)} queries"
    )
    yield f"  flipped: {len(compared.flips)} of {total}, {len(lost)} to the worse, {len(gained)} to the better"
    if compared.flips:
        yield f"    ({rules(units)})"
    for flip in (*lost[:_SHOWN], *reversed(gained[-_SHOWN:])):
        yield f"    {flip.key}: {flip.before} -> {flip.after}"


def _verdict(name: str, first: str, compared: Comparison, accept: float | None) -> str:
    words = f"{name} against {first}: "
    if compared.unlike:
        return f"{words}not comparable: {compared.problem or 'they are on other data'}"
    words += ", ".join(f"{each.figure} {each.word}" for each in compared.differences) or "no interval"
    if accept is None:
        return words
    dropped = compared.drops(accept)
    accepted = f"{100 * accept:g} % of the first run's figure"
    intervals = {
        each.figure: f" (95 % from {each.low:+.5f} to {each.high:+.5f})" for each in compared.differences
    }
    if dropped:
        which = ", ".join(f"{figure}{intervals.get(figure, '')}" for figure in dropped)
        return f"{words}; FAIL: a drop of more than {accepted}: {which}"
    if not compared.figures:
        return f"{words}; FAIL: no figure in both"
    near = [each.figure for each in compared.differences if each.low < -accept * max(each.first, 0.0) - EXACT]
    more = f"; the interval reaches beyond that, for {', '.join(near)}" if near else ""
    return f"{words}; OK: no drop of more than {accepted}{more}"


def _fails(compared: Comparison, accept: float | None) -> bool:
    if accept is None:
        return False
    return compared.unlike or not compared.figures or bool(compared.drops(accept))


def _settings(runs: Sequence[Run]) -> list[list[str]]:
    """Return what makes the runs others than each other: rows of a name and its value in each run, where these differ."""
    rows = [row for row in _rows(runs, SETTINGS) if len({*row[1:]}) > 1 and row[0] != "date"]
    return rows or [["nothing", *[""] * len(runs)]]


def _rows(runs: Sequence[Run], keys: Sequence[str]) -> list[list[str]]:
    """Return the leaves of some entries of metrics.json, in the order of the first run that has each."""
    columns = []
    for run in runs:
        leaves: dict[str, str] = {}
        for key in keys:
            if key in run.report:
                # Of what stands in a group the group's name says nothing new.
                leaves.update(
                    (name.removeprefix(f"{key} "), value) for name, value in flat(run.report[key], key)
                )
        columns.append(leaves)
    names = dict.fromkeys(name for column in columns for name in column)
    return [[name, *(column.get(name, "-") for column in columns)] for name in names]


def _digits(cell: str) -> str:
    """Return a number with six significant digits, anything else as it is."""
    try:
        return f"{float(cell):.6g}"
    except ValueError:
        return cell


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    cut = [
        [cell if len(cell) <= _WIDTH else f"{cell[: _WIDTH - 3]}..." for cell in row] for row in (head, *rows)
    ]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    for row in cut:
        yield f"  {'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))}".rstrip()


def _as_data(
    names: Sequence[str], runs: Sequence[Run], compared: Sequence[Comparison], accept: float | None
) -> dict[str, Any]:
    """Return the comparison for a JSON file."""
    return {
        "model": runs[0].report.get("model"),
        "runs": {name: str(run.path) for name, run in zip(names, runs, strict=True)},
        "what differs": {row[0]: row[1:] for row in _settings(runs) if any(row[1:])},
        "measured": {row[0]: row[1:] for row in _rows(runs, MEASURED)},
        "accepted drop": accept,
        "draws": bootstrap.DRAWS,
        "compared with": names[0],
        "compared": {
            name: {
                "figures": {key: list(pair) for key, pair in each.figures.items()},
                "differences": [
                    {
                        key: value if not isinstance(value, float) or math.isfinite(value) else None
                        for key, value in {**asdict(step), "change": step.change, "least": step.least}.items()
                    }
                    | {"is": step.word}
                    for step in each.differences
                ],
                "flipped": len(each.flips),
                "problem": each.problem or None,
                "status": int(_fails(each, accept)),
            }
            for name, each in zip(names[1:], compared, strict=True)
        },
    }


def _flips_csv(names: Sequence[str], compared: Sequence[Comparison]) -> str:
    table = io.StringIO()
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["run", "name", names[0], "this run", "gain"])
    for name, each in zip(names[1:], compared, strict=True):
        rows.writerows([name, flip.key, flip.before, flip.after, f"{flip.gain:.6g}"] for flip in each.flips)
    return table.getvalue()


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add `--accept SHARE` and `--out DIR`."""
    arguments.add_argument(
        "--accept",
        type=share,
        metavar="SHARE",
        help='With several runs: the drop that is accepted, as a share of the first run\'s figure ("1%%"). Where a figure is '
        "lower by more than that, the exit status is 1.",
    )
    arguments.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"With several runs: the directory that {JSON} and {FLIPS} are written to (default: they are not written).",
    )
