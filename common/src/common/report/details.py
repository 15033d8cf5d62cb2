"""What a page says of figures beyond themselves: curves, cases, a row per picture; plain data beside metrics.json.

A page is made of it without running anything again, on another machine, too.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from common import cli
from common.errors import GuideError
from common.files import make_folder, read_bytes, write_json, write_text

Array = NDArray[Any]
Cell = str | float | None
Kind = TypeVar("Kind")
Shade = Literal["main", "second", "third", "faint"]
Form = Literal["line", "steps", "points"]
Which = Literal["worst", "median", "random"]
Axis = Literal["", "x", "y"]
FOLDER, PLOTS, CASES, PICTURES = "details", "plots.json", "cases.json", "pictures.csv"
POINTS = 500  # of a line at most; no screen shows more
WORST = 6
MOST = 1000  # of the worst cases of a kind; a page draws fewer
_SEED = 16  # of what is drawn at random: the same figures are the same page
_DIGITS = 6  # significant ones, of what is drawn


class Line(msgspec.Struct, frozen=True):
    """A line of a plot, x and y of as many points; see `line`, which makes one.

    `shade` is "main" for what the plot is about, "second" and "third" for what stands beside it, and "faint" for what it is
    made of, such as the folds of an average. `form` "steps" is a histogram: y[i] holds from x[i] to x[i + 1].
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    shade: Shade = "main"
    form: Form = "line"


class Mark(msgspec.Struct, frozen=True):
    """A value to compare with, such as the published figure: a line across where x or y is None, else a point."""

    label: str
    x: float | None = None
    y: float | None = None


class Plot(msgspec.Struct, frozen=True):
    """A plot: titles of the axes with their units, what is drawn, and a sentence on how to read it.

    `x_range` and `y_range` are what the axes show, None for all that is drawn. A plot with named `rows`, such as classes, is
    one of points beside their names: y is the number of a row, counted from 0 at the top. `log` names the axis that is
    logarithmic. Marks with the same label are one entry of the legend.
    """

    name: str
    title: str
    x_title: str
    y_title: str
    lines: tuple[Line, ...]
    marks: tuple[Mark, ...] = ()
    note: str = ""
    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    rows: tuple[str, ...] = ()
    log: Axis = ""


class Box(msgspec.Struct, frozen=True):
    """A box on a picture: xmin, ymin, xmax, ymax in pixels of the upright picture.

    `role` is "truth" for what is annotated, "found" for what the network found, "ignored" for what does not count either
    way. `subject` marks the boxes that the case is about.
    """

    role: Literal["truth", "found", "ignored"]
    corners: tuple[float, float, float, float]
    score: float | None = None
    label: str = ""
    subject: bool = False


class Shown(msgspec.Struct, frozen=True):
    """A picture of a case: its file, None where that is not known, boxes on it, and what is said below it.

    `data` is what the file would hold, for a picture that is part of another file. `mark` is "right" or "wrong" where the
    picture itself is an answer, such as one of the ten best of a query.
    """

    path: str | None
    boxes: tuple[Box, ...] = ()
    caption: str = ""
    mark: Literal["", "right", "wrong"] = ""
    data: bytes | None = None


class Case(msgspec.Struct, frozen=True):
    """One thing that went wrong: of the kind "missed faces", "wrong pairs" or "failed queries".

    `which` says why it is shown: it is one of the worst, of those in the middle, or of those drawn at
    random; see `chosen`. `cost` is by how much the figure would be higher without this fault, None where that is not known.
    """

    kind: str
    which: Which
    key: str
    pictures: tuple[Shown, ...]
    text: str = ""
    score: float | None = None
    distance: float | None = None
    cost: float | None = None


class Total(msgspec.Struct, frozen=True):
    """How many cases of a kind there are in all, and what they cost together; None where that is not known."""

    count: int
    cost: float | None = None


class Cases(msgspec.Struct, frozen=True):
    """The cases of `cases.json`, by `kinds`, which are named in the plural; `metric` is what they cost.

    `cost` is a sentence: what the cost of a case is.
    """

    metric: str = ""
    cost: str = ""
    kinds: dict[str, Total] = {}
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True)
class Details:
    """What is written to OUT/details.

    Attributes:
        plots: the curves.
        cases: what went wrong, drawn.
        columns: of `pictures.csv`.
        rows: of `pictures.csv`, one for each picture, pair or query.
    """

    plots: Sequence[Plot] = ()
    cases: Cases = field(default_factory=Cases)
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Cell]] = ()


def add_worst(arguments: argparse.ArgumentParser) -> None:
    """Add `--worst N`."""
    arguments.add_argument(
        "--worst",
        type=_worst,
        default=WORST,
        metavar="N",
        help="How many of the worst cases of each kind the report shows, beside some in the middle and some drawn at "
        "random (default: %(default)s).",
    )


def _worst(text: str) -> int:
    """Argument type: how many cases are shown, which all take time and room."""
    value = cli.positive_int(text)
    if value > MOST:
        raise argparse.ArgumentTypeError(f"expected a whole number of at most {MOST}, got {text!r}")
    return value


def line(label: str, x: Array, y: Array, shade: Shade = "main", form: Form = "line", log: Axis = "") -> Line:
    """Return a line through finite points, in order, of which at most POINTS are kept, evenly along the line.

    Args:
        label: what the legend calls it.
        x: N numbers.
        y: N numbers.
        shade: see `Line`.
        form: see `Line`; of a histogram, and of points, all are kept.
        log: the plot's logarithmic axis.
    """
    finite = np.isfinite(x) & np.isfinite(y)
    points = np.stack((np.asarray(x, np.float64)[finite], np.asarray(y, np.float64)[finite]))
    if points.shape[1] > POINTS and form == "line":
        seen = points.copy()  # as they lie on the page
        if log:
            row = seen["xy".index(log)]
            row[:] = np.log10(np.maximum(row, row[row > 0].min(initial=1.0)))
        spans = np.maximum(np.ptp(seen, axis=1, keepdims=True), 1e-300)
        way = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(seen / spans)).sum(axis=0))))
        points = points[:, np.unique(np.searchsorted(way, np.linspace(0, way[-1], POINTS)))]
    x_kept, y_kept = (tuple(float(f"{value:.{_DIGITS}g}") for value in row) for row in points.tolist())
    return Line(label, x_kept, y_kept, shade, form)


def chosen(costs: Sequence[float] | Array, worst: int) -> list[tuple[int, Which]]:
    """Choose cases by what they cost: the `worst`, a third as many in the middle, and as many drawn at random.

    Returned are places in `costs` and why each is chosen; of equal ones the first comes first, and none comes twice.
    """
    order = np.argsort(-np.asarray(costs, np.float64), kind="stable")
    few = math.ceil(worst / 3)
    taken: dict[int, Which] = dict.fromkeys(order[:worst].tolist(), "worst")
    begin = max(worst, (len(order) - few) // 2)
    taken |= dict.fromkeys(order[begin : begin + few].tolist(), "median")
    rest = order[~np.isin(order, list(taken))]
    drawn = np.random.Generator(np.random.PCG64(_SEED)).permutation(len(rest))[:few]
    taken |= dict.fromkeys(rest[np.sort(drawn)].tolist(), "random")
    return list(taken.items())


def write(out: Path, details: Details) -> None:
    """Write the details to `out`/details, instead of those that are there."""
    folder = out / FOLDER
    remove(out)
    make_folder(folder)
    write_json(folder / PLOTS, msgspec.to_builtins(tuple(details.plots)))
    write_json(folder / CASES, msgspec.to_builtins(details.cases))
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(
        [details.columns, *(map(_cell, row) for row in details.rows)]
    )
    write_text(folder / PICTURES, table.getvalue())


def remove(out: Path) -> None:
    """Remove the details that are of other figures, and nothing else that may be there."""
    folder = out / FOLDER
    for name in (PLOTS, CASES, PICTURES):
        (folder / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not there, or not empty
        folder.rmdir()


def _cell(value: Cell) -> str:
    """Return what a table shows: nothing for None, at most six significant digits, and no text that a program computes."""
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)


def read_plots(out: Path) -> tuple[Plot, ...]:
    """Return the plots that are stored; none where there is no such file, an error where it is of another form."""
    return _read(out / FOLDER / PLOTS, tuple[Plot, ...]) or ()


def read_cases(out: Path) -> Cases:
    """Return the cases that are stored, see `read_plots`."""
    return _read(out / FOLDER / CASES, Cases) or Cases()


def _read(path: Path, form: type[Kind]) -> Kind | None:
    try:
        # Not msgspec's own reader: that refuses names that are no UTF-8, see `files.json_text`.
        value = json.loads(read_bytes(path), parse_float=_finite, parse_constant=_finite)
        return msgspec.convert(value, form)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, OverflowError, RecursionError) as error:
        raise GuideError(
            f"{path}: not the details of a report: {error}. Run evaluate.py or postprocess.py again, which writes them."
        ) from None


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number that can be shown")
    return value
