"""The nodes along the graph: how far each is off, and how much each adds.

It needs no screen and no home directory that can be written to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ascend_tools.compare.nodes import Apart
from ascend_tools.compare.text import shortened
from ascend_tools.plot_files import drawing, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LINE, _ADDS, _FIRST, _GREY = (
    "#0072B2",
    "#999999",
    "#D55E00",
    "#444444",
)  # Okabe and Ito's, told apart by all readers
_NAMED = 8  # nodes that are named below the plot
_LOWEST = 1e-3  # of the bound: what is less is drawn there, a tensor without any difference, too


def write(
    path: Path,
    found: Sequence[Apart],
    first: Sequence[Apart],
    added: Sequence[Apart],
    bound: float,
    title: str,
) -> list[Path]:
    """Draw the nodes into an SVG and a PNG file, `path` with another suffix, and return the paths of both.

    There is one node at least. `first` are where both sides part, `added` those that add most, the first of which are
    numbered, and named below.
    """
    named = list(added[:_NAMED])
    with drawing("compare"):
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 6.0 + 0.19 * len(named)), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True)
        finite = [value for each in found for value in (each.apart, each.adds) if math.isfinite(value)]
        low, high = _LOWEST * bound, 3 * max([bound, *finite])
        top = 3 * high  # where what is not finite is drawn
        _draw_apart(upper, found, first, low, top)
        _draw_added(lower, found, named, low, top)
        for axes in (upper, lower):
            axes.axhline(
                bound, color=_GREY, linewidth=1, linestyle="--", label=f"bound, {bound:.2g}", zorder=2
            )
            axes.set_yscale("log")
            axes.set_ylim(low * 0.8, (top if _is_infinite(found) else high) * 3)
            axes.set_ylabel("difference / size, root mean squares")
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, frameon=False, borderpad=0)
        lower.set_xlabel("node, by its place in the graph")
        lower.set_xlim(found[0].index - 1, found[-1].index + 1)
        lower.xaxis.get_major_locator().set_params(integer=True)
        figure.suptitle(title.replace("$", r"\$"), fontsize=10)
        if named:
            lines = [_name(k, each) for k, each in enumerate(named, 1)]
            figure.supxlabel("\n".join(lines), fontsize=8, x=0.06, ha="left", family="DejaVu Sans Mono")
        return save(figure, path)


def _is_infinite(found: Sequence[Apart]) -> bool:
    return any(math.isinf(value) for each in found for value in (each.apart, each.adds))


def _draw_apart(axes: Axes, found: Sequence[Apart], first: Sequence[Apart], low: float, top: float) -> None:
    places = [each.index for each in found]
    heights = [_height(each.apart, low, top) for each in found]
    axes.plot(
        places,
        heights,
        color=_LINE,
        linewidth=1.1,
        marker="o",
        markersize=2.5,
        label="off at its output",
        zorder=3,
    )
    if first:
        axes.plot(
            [each.index for each in first],
            [_height(each.apart, low, top) for each in first],
            color=_FIRST,
            marker="D",
            markersize=6,
            linestyle="",
            label="where both sides part",
            zorder=5,
        )
    lost = [each.index for each in found if math.isinf(each.apart)]
    if lost:
        axes.plot(
            lost,
            [top] * len(lost),
            color="black",
            marker="^",
            markersize=4.5,
            linestyle="",
            label="not finite",
            zorder=4,
        )


def _draw_added(axes: Axes, found: Sequence[Apart], named: Sequence[Apart], low: float, top: float) -> None:
    places = [each.index for each in found]
    heights = [_height(each.adds, low, top) for each in found]
    axes.plot(
        places,
        heights,
        color=_ADDS,
        marker="o",
        markersize=2.5,
        linestyle="",
        label="added by the node",
        zorder=3,
    )
    if named:
        shown = [(each.index, _height(each.adds, low, top)) for each in named]
        axes.vlines(
            [x for x, _ in shown],
            low,
            [y for _, y in shown],
            color=_FIRST,
            linewidth=1.8,
            label="the most, named below",
            zorder=4,
        )
        for x, number, y in _spaced(shown, (found[-1].index - found[0].index + 2) / 70):
            axes.annotate(
                number, (x, y), (0, 3), textcoords="offset points", ha="center", color=_FIRST, fontsize=8
            )


def _spaced(shown: Sequence[tuple[int, float]], width: float) -> list[tuple[int, str, float]]:
    """Return a label for each column; columns that are too near each other for two labels have one, at the higher one."""
    found: list[tuple[int, list[int], float]] = []
    for x, number in sorted((x, number) for number, (x, _) in enumerate(shown, 1)):
        y = shown[number - 1][1]
        if found and x - found[-1][0] < width:
            before = found.pop()
            found.append((before[0], [*before[1], number], max(before[2], y)))
        else:
            found.append((x, [number], y))
    return [(x, ",".join(map(str, sorted(numbers))), y) for x, numbers, y in found]


def _height(value: float, low: float, top: float) -> float:
    return top if math.isinf(value) else max(value, low)


def _name(number: int, each: Apart) -> str:
    adds = "values not finite" if math.isinf(each.adds) else f"{each.adds:.2g}"
    return f"{number}  {shortened(each.node)} ({each.op_type}, {each.index}): {adds}".replace("$", r"\$")
