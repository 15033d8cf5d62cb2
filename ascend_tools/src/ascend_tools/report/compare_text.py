"""Runs side by side on the screen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ascend_tools.report.comparison import Comparison
from ascend_tools.report.flips import rules
from ascend_tools.report.runs import Run, plural, rows, settings
from common.report.units import Units

MEASURED = ("images", "metrics", "images/s", "peak memory in MiB", "seconds")
_SHOWN = 3  # of the worst flips, and of the best
_WIDTH = 36  # characters of a cell at most


def lines(runs: Sequence[Run], compared: Sequence[Comparison]) -> Iterator[str]:
    """Yield what differs, what was measured, and what each comparison says."""
    names = [run.name for run in runs]
    yield "what differs:"
    yield from _table(["", *names], settings(runs) or [["nothing", *[""] * len(runs)]])
    yield "what was measured:"
    yield from _table(["", *names], [[row[0], *map(digits, row[1:])] for row in rows(runs, MEASURED)])
    for each in compared:
        yield f"{each.title}:"
        yield from _told(each)


def _told(compared: Comparison) -> Iterator[str]:
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
    if compared.differences and compared.first.units:
        yield from _flipped(compared.first.units, compared)


def _flipped(units: Units, compared: Comparison) -> Iterator[str]:
    lost = [flip for flip in compared.flips if flip.gain < 0]
    gained = [flip for flip in compared.flips if flip.gain > 0]
    yield f"  {flipped(units, compared)}"
    if compared.flips:
        yield f"    ({rules(units)})"
    for flip in (*lost[:_SHOWN], *reversed(gained[-_SHOWN:])):
        yield f"    {flip.key}: {flip.before} -> {flip.after}"


def flipped(units: Units, compared: Comparison) -> str:
    """Return how many flipped, and which way."""
    count = len(units.keys)
    total = f"1 {units.noun}" if count == 1 else f"{count} {plural(units)}"
    lost, gained = (sum(sign * flip.gain > 0 for flip in compared.flips) for sign in (-1, 1))
    return f"flipped: {len(compared.flips)} of {total}, {lost} to the worse, {gained} to the better"


def digits(cell: str) -> str:
    """Return a number with six significant digits, anything else as it is."""
    try:
        return f"{float(cell):.6g}"
    except ValueError:
        return cell


def _table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    cut = [
        [cell if len(cell) <= _WIDTH else f"{cell[: _WIDTH - 3]}..." for cell in row]
        for row in (head, *cells)
    ]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    for row in cut:
        yield f"  {'  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))}".rstrip()
