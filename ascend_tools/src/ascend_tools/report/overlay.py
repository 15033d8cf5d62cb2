"""The curves of several runs laid over one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from ascend_tools.report.plots import Look
from common.report.details import Line, Mark, Plot

COLOURS = ("accent", "second", "good", "warn", "muted")  # of runs, after which the first comes again
_SHADES = {"second": "second", "third": "muted"}
_NAME = 18  # characters of a run's name in a legend
_MOST_MARKED = 2  # runs that have marks of their own drawn


@dataclass(frozen=True)
class Curves:
    """A run's name and its plots."""

    name: str
    plots: Sequence[Plot]

    @property
    def short(self) -> str:
        """The name, in a legend."""
        return self.name if len(self.name) <= _NAME else f"{self.name[: _NAME - 3]}..."


def overlaid(runs: Sequence[Curves]) -> list[tuple[Plot, tuple[Look, ...]]]:
    """Return the plots that the first run and another one have, with how each line looks.

    Faint lines, of which the others are made, are left out. Where each run has one line, it has the run's colour; where it has
    several, these keep theirs, and dashes tell the runs apart.
    """
    found = []
    for plot in runs[0].plots:
        # Each plot once: two of one name would be taken for one.
        own = [(number, run, other) for number, run in enumerate(runs) for other in _named(run, plot)[:1]]
        shown = [
            (number, run, [line for line in _in_rows_of(plot, other) if line.shade != "faint"])
            for number, run, other in own
        ]
        shown = [(number, run, lines) for number, run, lines in shown if lines]
        if len(shown) < 2:
            continue
        several = max(len(lines) for _, _, lines in shown) > 1
        looks, drawn = [], []
        for number, run, lines in shown:
            colours = _colours(lines) if several else [COLOURS[number % len(COLOURS)]]
            looks += [Look(colour, number) for colour in colours]
            drawn += [
                replace(line, label=f"{run.short}: {line.label}" if several else run.short) for line in lines
            ]
        others = [other for _, _, other in own]
        found.append(
            (
                replace(
                    plot,
                    lines=tuple(drawn),
                    note=""
                    if plot.rows
                    else plot.note,  # the rows' numbers, which it may tell of, are of one run
                    marks=_marks([(run.short, other) for _, run, other in own]),
                    x_range=_around([other.x_range for other in others]),
                    y_range=_around([other.y_range for other in others]),
                ),
                tuple(looks),
            )
        )
    return found


def _colours(lines: Sequence[Line]) -> list[str]:
    """Return the colours of a run's several lines: those of their shades, or others where these are the same."""
    shades = [_SHADES.get(line.shade, "accent") for line in lines]
    return (
        shades
        if len({*shades}) == len(shades)
        else [COLOURS[place % len(COLOURS)] for place in range(len(lines))]
    )


def _named(run: Curves, plot: Plot) -> list[Plot]:
    return [other for other in run.plots if other.name == plot.name]


def _in_rows_of(plot: Plot, other: Plot) -> list[Line]:
    """Return the lines of a plot, its named rows in the order in which the first run has them."""
    if plot.rows == other.rows:
        return [*other.lines]
    places = {name: float(row) for row, name in enumerate(plot.rows)}
    rows = [places.get(name) for name in other.rows]
    lines = []
    for line in other.lines:
        points = [(x, rows[int(y)]) for x, y in zip(line.x, line.y, strict=False) if 0 <= int(y) < len(rows)]
        kept = [(x, y) for x, y in points if y is not None]
        lines.append(replace(line, x=tuple(x for x, _ in kept), y=tuple(y for _, y in kept)))
    return lines


def _marks(own: Sequence[tuple[str, Plot]]) -> tuple[Mark, ...]:
    """Return the marks that all have, and those of each run, with its name, as far as they do not get too many."""
    shared = [mark for mark in own[0][1].marks if all(mark in other.marks for _, other in own)]
    single = [
        replace(mark, label=f"{name}: {mark.label}")
        for name, other in own
        for mark in other.marks
        if mark not in shared
    ]
    return (*shared, *(single if len(own) <= _MOST_MARKED else ()))


def _around(ranges: Sequence[tuple[float, float] | None]) -> tuple[float, float] | None:
    """Return what holds all ranges, None where one of them shows all that is drawn."""
    known = [each for each in ranges if each is not None]
    if len(known) < len(ranges):
        return None
    return min(low for low, _ in known), max(high for _, high in known)
