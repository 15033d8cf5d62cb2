"""Plots as SVG to stand in a page: their colours are the page's own variables, and so follow its light or dark scheme."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ascend_tools.fonts import place_for_fonts
from ascend_tools.report.markup import printable
from common.report.details import Line, Mark, Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours that stand for variables of the page's style; matplotlib takes no variables.
_VARIABLES = {
    "#010101": "ink",
    "#020202": "muted",
    "#030303": "rule",
    "#040404": "accent",
    "#050505": "second",
    "#060606": "faint",
}
_COLOUR = {name: code for code, name in _VARIABLES.items()}
_SHADES = {"main": ("accent", 1.8, 4), "second": ("second", 1.5, 3), "faint": ("faint", 0.8, 2)}
_DASHES: tuple[Any, ...] = ((0, (5, 3)), (0, (1, 2)), (0, (7, 2, 1, 2)))
_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.edgecolor": _COLOUR["rule"],
    "axes.labelcolor": _COLOUR["muted"],
    "xtick.color": _COLOUR["rule"],
    "ytick.color": _COLOUR["rule"],
    "xtick.labelcolor": _COLOUR["muted"],
    "ytick.labelcolor": _COLOUR["muted"],
    "text.color": _COLOUR["muted"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _COLOUR["rule"],
    "grid.linewidth": 0.5,
    "svg.fonttype": "none",  # text stays text: small, selectable, in the page's own font
}
_WIDTH, _HEIGHT = 4.6, 3.1  # inches; a phone shows it in about this size


def svg(plot: Plot) -> str:
    """Return a plot as an SVG element; the same plot is the same text."""
    with place_for_fonts():
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        with mpl.rc_context({**_SETTINGS, "svg.hashsalt": printable(plot.name)}):
            figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
            axes = figure.subplots()
            for line in plot.lines:
                _draw(axes, line)
            for number, mark in enumerate(plot.marks):
                _mark(axes, mark, number)
            axes.set_xlabel(_plain(plot.x_title))
            axes.set_ylabel(_plain(plot.y_title))
            if plot.x_range:
                axes.set_xlim(*plot.x_range)
            if plot.y_range:
                axes.set_ylim(*plot.y_range)
            if any(line.form == "points" for line in plot.lines):
                axes.grid(visible=False, axis="x")
                axes.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True))
            _legend(axes, plot.marks)
            text = io.StringIO()
            metadata: dict[str, Any] = {"Date": None, "Creator": None}
            figure.savefig(text, format="svg", metadata=metadata, transparent=True)
    return _for_page(text.getvalue())


def _draw(axes: Axes, line: Line) -> None:
    name, width, order = _SHADES[line.shade]
    how: dict[str, Any] = {
        "color": _COLOUR[name],
        "linewidth": width,
        "zorder": order,
        "label": _plain(line.label),
    }
    if line.form == "steps":
        edges = line.x if len(line.x) == len(line.y) + 1 else (*line.x, *line.x[-1:])[: len(line.y) + 1]
        axes.stairs(line.y, edges, **how)
    elif line.form == "points":
        axes.plot(line.x, line.y, **{**how, "linewidth": 0}, marker="o", markersize=4.5)
    else:
        axes.plot(line.x, line.y, **how)


def _mark(axes: Axes, mark: Mark, number: int) -> None:
    how: dict[str, Any] = {"color": _COLOUR["ink"], "label": _plain(mark.label), "zorder": 3}
    dashes = _DASHES[number % len(_DASHES)]
    if mark.x is not None and mark.y is not None:
        axes.plot([mark.x], [mark.y], **how, marker="D", markersize=4.5, linestyle="")
    elif mark.y is not None:
        axes.axhline(mark.y, **how, linewidth=0.9, linestyle=dashes)
    elif mark.x is not None:
        axes.axvline(mark.x, **how, linewidth=0.9, linestyle=dashes)


def _legend(axes: Axes, marks: Sequence[Mark]) -> None:
    """Name what is drawn, once, above the axes, where no line runs; a single line needs no name."""
    handles, labels = axes.get_legend_handles_labels()
    named = dict(zip(reversed(labels), reversed(handles), strict=True))
    if len(named) > 1 or marks:
        axes.legend(
            named.values(),
            named.keys(),
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            ncols=3,
            frameon=False,
            borderpad=0,
            borderaxespad=0.4,
            handlelength=1.6,
            columnspacing=1.4,
        )


def _plain(text: str) -> str:
    """Return text that matplotlib takes for no formula, and no label that it leaves out of the legend."""
    return printable(text).replace("\\", "/").replace("$", "\\$").lstrip("_")


def _for_page(text: str) -> str:
    """Return the SVG element alone, without what only a file of its own needs, in the page's colours."""
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # unique in a plot, not in a page
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    body = re.sub(r"#0(\d)(?:0\1){2}", lambda found: f"var(--{_VARIABLES[found[0]]})", body)
    return re.sub(r"\s*\n\s*", "\n", body)
