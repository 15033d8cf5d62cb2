"""Plots as SVG to stand in a page: their colours are the page's own variables, and so follow its light or dark scheme."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
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
    "#070707": "good",
    "#080808": "warn",
}
_COLOUR = {name: code for code, name in _VARIABLES.items()}
_SHADES = {
    "main": ("accent", 1.8, 4),
    "second": ("second", 1.5, 3),
    "third": ("muted", 1.5, 3),
    "faint": ("faint", 0.8, 2),
}
_DASHES: tuple[Any, ...] = ((0, (5, 3)), (0, (1, 2)), (0, (7, 2, 1, 2)))
_MARKERS = ("o", "x", "^", "s", "v")  # of points of several runs
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
_ROOM, _HANDLE = 61, 7  # characters that a row of the legend has room for, and how many of them a sign takes
_WIDTH, _HEIGHT = 4.6, 3.1  # inches; a phone shows it in about this size
_ROW, _AROUND = 0.155, 0.95  # inches: the height of a named row, and of what is above and below all of them


@dataclass(frozen=True)
class Look:
    """How a line of one of several runs looks: in the colour of the page's style of that name, dashed by the run's number."""

    colour: str
    run: int


def svg(plot: Plot, looks: Sequence[Look] = ()) -> str:
    """Return a plot as an SVG element, its lines by `looks` or else by their shades; the same plot is the same text."""
    with place_for_fonts():
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

        with mpl.rc_context({**_SETTINGS, "svg.hashsalt": printable(plot.name)}):
            height = _AROUND + _ROW * len(plot.rows) if plot.rows else _HEIGHT
            figure = Figure(figsize=(_WIDTH, height), layout="constrained")
            axes = figure.subplots()
            for line, look in zip_longest(plot.lines, looks):
                _draw(axes, line, look)
            labels = list(dict.fromkeys(mark.label for mark in plot.marks))
            for mark in plot.marks:
                _mark(axes, mark, labels.index(mark.label))
            if plot.log == "x":
                axes.set_xscale("log")
            elif plot.log == "y":
                axes.set_yscale("log", nonpositive="clip")
            axes.set_xlabel(_plain(plot.x_title))
            axes.set_ylabel(_plain(plot.y_title))
            if plot.x_range:
                axes.set_xlim(*plot.x_range)
            if plot.y_range:
                axes.set_ylim(*plot.y_range)
            if plot.rows:
                _name_rows(axes, plot.rows if looks else _valued(plot))
            elif any(line.form == "points" for line in plot.lines):
                axes.grid(visible=False, axis="x")
                axes.xaxis.set_major_locator(MaxNLocator(nbins=16, integer=True))
            _legend(axes, plot, in_order=bool(looks))
            text = io.StringIO()
            metadata: dict[str, Any] = {"Date": None, "Creator": None}
            figure.savefig(text, format="svg", metadata=metadata, transparent=True)
    return _for_page(text.getvalue())


def _draw(axes: Axes, line: Line, look: Look | None = None) -> None:
    name, width, order = _SHADES[line.shade]
    how: dict[str, Any] = {
        "color": _COLOUR[name],
        "linewidth": width,
        "zorder": order,
        "label": _plain(line.label),
        "linestyle": (0, (4, 1.5)) if line.shade == "third" else "solid",
    }
    marker = "o"
    if look:
        # The first run lies below the others' dashes, for lines that are the same to be seen all.
        dashes = ("solid", *_DASHES)[look.run % (1 + len(_DASHES))]
        how |= {"color": _COLOUR[look.colour], "zorder": 4 + look.run, "linestyle": dashes}
        marker = _MARKERS[look.run % len(_MARKERS)]
    if line.form == "steps":
        edges = line.x if len(line.x) == len(line.y) + 1 else (*line.x, *line.x[-1:])[: len(line.y) + 1]
        axes.stairs(line.y, edges, **how)
    elif line.form == "points":
        size, face = (4.5, None) if look is None or not look.run else (4.5 + 1.5 * look.run, "none")
        how |= {"linestyle": "", "marker": marker, "markersize": size, "markerfacecolor": face}
        axes.plot(line.x, line.y, **how)
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


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name the rows from the top down, and repeat the scale above them, for the first of many are far from the other one."""
    axes.set_yticks(range(len(names)), [_plain(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", top=True, labeltop=True)


def _valued(plot: Plot) -> list[str]:
    """Return the names of the rows, each with what the plot is about: a point on paper has no number."""
    main = next((line for line in plot.lines if line.shade == "main"), None)
    values = dict(zip(main.y, main.x, strict=False)) if main else {}
    return [f"{name} {values[row]:.3f}" if row in values else name for row, name in enumerate(plot.rows)]


def _legend(axes: Axes, plot: Plot, *, in_order: bool) -> None:
    """Name what is drawn, once, above the axes, where no line runs; a single line needs no name.

    What is drawn last, on top, is named first, unless all is to be named in order.
    """
    handles, labels = axes.get_legend_handles_labels()
    step = 1 if in_order else -1
    named = dict(zip(labels[::step], handles[::step], strict=True))
    if len(named) > 1 or plot.marks:
        # Above named rows stands their scale.
        owner: Any = axes.figure if plot.rows else axes
        place = (
            {"loc": "outside upper left"} if plot.rows else {"loc": "lower left", "bbox_to_anchor": (0, 1.0)}
        )
        owner.legend(
            named.values(),
            named.keys(),
            ncols=_columns([*named]),
            frameon=False,
            borderpad=0,
            borderaxespad=0.4,
            handlelength=1.6,
            columnspacing=1.4,
            **place,
        )


def _columns(names: Sequence[str]) -> int:
    """Return in how many columns names have room, three at most; they are filled one after the other."""
    for count in (3, 2):
        rows = -(-len(names) // count)
        columns = [names[begin : begin + rows] for begin in range(0, len(names), rows)]
        if sum(_HANDLE + max(map(len, column)) for column in columns) <= _ROOM:
            return count
    return 1


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
