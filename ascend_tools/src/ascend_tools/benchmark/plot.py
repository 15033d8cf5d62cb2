"""The plot of a benchmark: images per second over the batch size, pure inference and end to end apart.

It needs no screen and no home directory that can be written to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_tools.benchmark.figures import Figure
from ascend_tools.benchmark.rows import Row
from ascend_tools.plot_files import drawing, save
from common.report.throughput import Rates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Told apart by those who see no red or no green, too (Okabe and Ito), and by a marker of its own each.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX"
_DASHES: tuple[Any, ...] = ("--", ":", "-.", (0, (7, 2, 1, 2, 1, 2)), (0, (10, 3)), (0, (3, 5)))
_GREYS = ("#444444", "#777777", "#999999")
_SINGLE = "_x+1"  # markers of columns of one figure
# Between the largest and the smallest figure: from the first on a linear axis would lay the small ones on the ground, from
# the second on only powers of ten have room for their names.
_WIDE, _DECADES = 6.0, 300.0


@dataclass(frozen=True)
class Line:
    """A backend: images per second by batch size, what of that is noise, and the batch sizes whose rows are INVALID."""

    name: str
    rates: Rates
    noise: Mapping[int, float]
    invalid: frozenset[int] = frozenset()


def lines_of(rows: Sequence[Row], figure_of: Callable[[Row], Figure | None]) -> list[Line]:
    """Return a line for each backend, of one of the figures of its rows, per card where there is one."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if figure_of(row):
            groups.setdefault(f"{row.name}, {row.precision}", []).append(row)
    found = []
    for name, own in groups.items():
        figures = {row.batch_size: (figure_of(row), row) for row in own}
        rates, noise = {}, {}
        for size, (figure, row) in figures.items():
            if figure:
                rates[size] = figure.throughput * (row.chips or row.devices) / row.devices
                noise[size] = figure.noise or 0.0
        invalid = frozenset(row.batch_size for row in own if row.verdict.reasons)
        found.append(Line(name, rates, noise, invalid))
    return found


def write(
    path: Path,
    panels: Mapping[str, Sequence[Line]],
    documented: Mapping[str, Rates],
    title: str,
    note: str = "",
) -> list[Path]:
    """Draw lines, by the title of the panel that they are in, into an SVG and a PNG file, and return the paths of both.

    These are `path` with another suffix. There is one line at least. The documented columns are drawn in the first panel, which is of what they are of. Panels without lines are left out.
    """
    shown = {name: lines for name, lines in panels.items() if lines}
    everything = [*(line.rates for lines in shown.values() for line in lines), *documented.values()]
    with drawing("benchmark"):
        from matplotlib.figure import Figure as Canvas

        canvas = Canvas(figsize=(5.2 * len(shown) + 1.2, 4.9), layout="constrained")
        axes = list(canvas.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0])
        names = list(dict.fromkeys(line.name for lines in shown.values() for line in lines))
        for k, (name, lines) in enumerate(shown.items()):
            for line in lines:
                _draw(axes[k], line, names.index(line.name))
            axes[k].set_xlabel("batch size")
            axes[k].set_title(name, fontsize=10)
        for k, (name, rates) in enumerate(documented.items()):
            _draw_documented(axes[0], f"{name}, documented", rates, k)
        _scale(axes[0], everything)
        axes[0].set_ylabel("images per second and card" if documented else "images per second")
        if any(line.invalid for lines in shown.values() for line in lines):
            axes[0].plot(
                [], [], color="black", marker="o", markerfacecolor="white", linestyle="", label="INVALID"
            )
        canvas.suptitle(title + (f"\n{note}" if note else ""), fontsize=10)
        _add_legend(canvas, axes, 2 * len(shown))
        return save(canvas, path)


def _draw(axes: Axes, line: Line, number: int) -> None:
    """Draw a backend; it has the same colour in all panels. Markers of INVALID rows are hollow."""
    colour, marker = _COLOURS[number % len(_COLOURS)], _MARKERS[number % len(_MARKERS)]
    sizes = sorted(line.rates)
    values = [line.rates[size] for size in sizes]
    axes.plot(
        sizes, values, color=colour, linewidth=1.5, marker=marker, markersize=5.5, label=line.name, zorder=4
    )
    bars = [(size, line.rates[size], noise) for size, noise in line.noise.items() if noise > 0]
    if bars:
        # A bar down to 0 would have no end on a logarithmic axis.
        ends = [value * min(noise, 0.95) for _, value, noise in bars]
        axes.errorbar(
            [size for size, _, _ in bars],
            [value for _, value, _ in bars],
            yerr=ends,
            color=colour,
            linestyle="",
            capsize=3,
            elinewidth=1,
            zorder=3,
        )
    hollow = sorted(line.invalid & line.rates.keys())
    axes.plot(
        hollow,
        [line.rates[size] for size in hollow],
        color=colour,
        linestyle="",
        marker=marker,
        markersize=5.5,
        markerfacecolor="white",
        zorder=5,
    )


def _draw_documented(axes: Axes, name: str, rates: Rates, number: int) -> None:
    """Draw a column of the guide's table, without markers unless it is a single figure."""
    sizes = sorted(rates)
    axes.plot(
        sizes,
        [rates[size] for size in sizes],
        color=_GREYS[number % len(_GREYS)],
        linestyle=_DASHES[number % len(_DASHES)],
        linewidth=1.2,
        marker=_SINGLE[number % len(_SINGLE)] if len(sizes) == 1 else "",
        markersize=6,
        label=name,
        zorder=2,
    )


def _add_legend(canvas: Any, axes: Sequence[Axes], columns: int) -> None:
    """Name everything below the panels, once."""
    named: dict[str, Any] = {}
    for each in axes:
        handles, labels = each.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            named.setdefault(label, handle)
    canvas.legend(
        named.values(),
        named.keys(),
        loc="outside lower center",
        ncols=min(columns, len(named)),
        frameon=False,
        handlelength=3,
    )


def _scale(axes: Axes, columns: Sequence[Rates]) -> None:
    """Scale the axes, which all panels share: batch sizes by powers of two, rates so that small ones are seen."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

    sizes = sorted({size for rates in columns for size in rates})
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(min(sizes) / 1.4, max(sizes) * 1.4)
    values = [rate for rates in columns for rate in rates.values()]
    wide = max(values) / min(values)
    if wide > _WIDE:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if wide < _DECADES else (1.0,)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_ylim(bottom=0)
