"""The plot of a search for a list: how far a network is off with lists of each length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_tools.plot_files import drawing, save
from ascend_tools.report.markup import printable
from common.files import make_folder

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED, _LONGEST = 8, 30  # points of a curve with names, and letters of a name
Points = Sequence[tuple[int, float]]  # the length of a list, and how far the network is off with it


def write(
    path: Path,
    *,
    curve: Points,
    names: Sequence[str],
    tried: Points,
    proof: Points,
    bound: float,
    title: str,
    figure: str,
) -> list[Path]:
    """Draw the search into an SVG and a PNG file, `path` with another suffix, and return the paths of both.

    Args:
        path: without a suffix.
        curve: of the list that was found, with its first entries alone, from none to all; empty where none was found.
        names: the entries of that list.
        tried: all lists that were tried.
        proof: the list that was found, without each of its entries in turn.
        bound: what is accepted.
        title: of the plot.
        figure: of the axis: what the figure is.
    """
    with drawing("list"):
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        canvas = Figure(figsize=(7.2, 4.4), layout="constrained")
        axes = canvas.subplots()
        top = _top([*curve, *tried, *proof], bound)
        styles: dict[str, tuple[Points, dict[str, Any]]] = {
            "lists that were tried": (
                tried,
                {"color": "#9aa3ae", "marker": "o", "markersize": 4, "zorder": 3},
            ),
            "the list without one entry": (
                proof,
                {"color": "#b4541a", "marker": "x", "markersize": 7, "zorder": 5},
            ),
        }
        for label, (points, how) in styles.items():
            if points:
                axes.plot(*_drawn(points, top), linestyle="", label=label, **how)
        if curve:
            axes.plot(
                *_drawn(curve, top),
                color="#1f5fbf",
                marker="o",
                markersize=5,
                linewidth=1.6,
                label="the list, entry by entry",
                zorder=4,
            )
        if len(names) <= _NAMED:
            for name, point in zip(names, curve[1:], strict=False):
                _name(axes, name, point[0], min(point[1], top))
        axes.axhline(bound, color="#16191d", linestyle=(0, (5, 3)), linewidth=1, label=f"bound {bound:g}")
        if math.isfinite(top) and any(not math.isfinite(each) for _, each in [*curve, *tried, *proof]):
            axes.axhline(top, color="#dfe3e8", linewidth=0.8)
            axes.annotate("not finite", (1, top), xycoords=("axes fraction", "data"), ha="right", va="bottom")
        values = [each for _, each in [*curve, *tried, *proof]]
        if values and min(values) > 0:
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=min([0.0, *(v for v in values if math.isfinite(v))]))
        axes.margins(x=0.12, y=0.1)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("entries of the list")
        axes.set_ylabel(figure)
        axes.set_title(printable(title).replace("$", "\\$"), fontsize=10)
        axes.legend(fontsize=8, edgecolor="none")
        make_folder(path.parent)
        return save(canvas, path)


def _name(axes: Axes, name: str, length: int, value: float) -> None:
    """Write beside a point of the curve what its list has more than the one before."""
    text = printable(name if len(name) <= _LONGEST else f"...{name[-_LONGEST:]}").replace("$", "\\$")
    axes.annotate(
        f"+ {text}",
        (length, value),
        xytext=(-6, -11),
        textcoords="offset points",
        ha="right",
        fontsize=7.5,
        color="#1f5fbf",
    )


def _top(points: Points, bound: float) -> float:
    """Return where figures are drawn that are not finite: above all others."""
    return 3 * max([bound, *(value for _, value in points if math.isfinite(value))])


def _drawn(points: Points, top: float) -> tuple[list[int], list[float]]:
    """Return lengths and figures as they are drawn."""
    return [length for length, _ in points], [value if math.isfinite(value) else top for _, value in points]
