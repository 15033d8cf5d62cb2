"""The tables and the plot of `growth.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common.files import staged
from growth_runs import Growth
from timing import table

# Told apart by those who see no red or no green, too (Okabe and Ito).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")


def tables(growth: Growth, title: str) -> str:
    """Return what was measured of one model: a row for each size, how it grows, what was left out."""
    lines = [f"## {title}\n"]
    if growth.runs:
        lines += [table(_rows(growth)), "", *_growths(growth)]
    lines += [f"At {times} times the size left out: {why}." for times, why in growth.left_out.items()]
    return "\n".join(lines) + "\n"


def _rows(growth: Growth) -> list[list[str]]:
    first = growth.runs[0]
    head = [
        "times",
        *first.sizes,
        *(f"{name}, CPU s" for name in first.steps),
        "in all, CPU s",
        "by the clock, s",
    ]
    rows = [
        [
            str(run.times),
            *(f"{count:,}" for count in run.sizes.values()),
            *(f"{cost['cpu']:.2f}" for cost in run.steps.values()),
            f"{run.cpu:.2f}",
            f"{run.clock:.2f}",
            *(f"{count / 2**20:,.0f}" for count in (run.peak, run.data, run.before)),
        ]
        for run in growth.runs
    ]
    return [[*head, "peak, MiB", "of it data", "of it Python"], *rows]


def _growths(growth: Growth) -> list[str]:
    found = exponents(growth)
    if not found:
        return []
    told = ", ".join(f"{name} as size^{value:.2f}" for name, value in found.items())
    return [f"From {growth.runs[0].times} to {growth.runs[-1].times} times the size: {told}.", ""]


def exponents(growth: Growth) -> dict[str, float]:
    """Return how CPU seconds and memory beyond Python's grow: each as the size to the power of this."""
    found = {
        "CPU time": growth.exponent([run.cpu for run in growth.runs]),
        "memory": growth.exponent([run.peak - run.before for run in growth.runs]),
    }
    return {name: value for name, value in found.items() if value is not None}


def as_json(growth: Growth) -> dict[str, Any]:
    """Return the same as numbers."""
    runs = [
        {
            "times": run.times,
            "sizes": run.sizes,
            "steps": run.steps,
            "cpu": run.cpu,
            "clock": run.clock,
            "bytes": {"peak": run.peak, "data": run.data, "python": run.before},
        }
        for run in growth.runs
    ]
    return {"runs": runs, "exponents": exponents(growth), "left out": growth.left_out}


def plot(path: Path, growths: Sequence[Growth], titles: Mapping[str, str]) -> None:
    """Draw CPU seconds and peak memory over the size, on logarithmic scales, into an SVG file."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, ScalarFormatter, StrMethodFormatter

    figure = Figure(figsize=(9, 4.2), layout="constrained")
    panels = figure.subplots(1, 2)
    sizes = sorted({run.times for growth in growths for run in growth.runs})
    for panel, label in zip(panels, ("CPU seconds", "peak memory, MiB"), strict=True):
        for growth, colour in zip(growths, COLOURS, strict=False):
            values = [run.cpu if label == "CPU seconds" else run.peak / 2**20 for run in growth.runs]
            if not values:
                continue
            times = [run.times for run in growth.runs]
            panel.plot(times, values, "o-", color=colour, markersize=4, label=titles[growth.model])
            panel.plot(
                [times[0], sizes[-1]],
                [values[0], values[0] * sizes[-1] / times[0]],
                ":",
                color=colour,
                linewidth=1,
            )
        panel.set(xscale="log", yscale="log", xlabel="times the data set's size", ylabel=label)
        panel.set_xticks(sizes)
        panel.xaxis.set_major_formatter(ScalarFormatter())
        panel.xaxis.set_minor_locator(NullLocator())
        # 1, 2, 5, 10 as such: few values lie on whole powers of ten.
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.spines[["top", "right"]].set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=8)
    figure.suptitle("dotted: in proportion to the size", fontsize=8)
    with staged(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None})
