"""The plot of `inference.py`: images per second of each way, a panel for each network, and the most that is possible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.files import staged
from inference_page import Network, Run
from inference_paths import ways

# Told apart by those who see no red or no green, too (Okabe and Ito).
COLOURS = {"float32": "#0072B2", "bfloat16": "#D55E00", "float16": "#009E73"}
OTHERS = 0.45  # how opaque the bars of others are


def write(path: Path, run: Run) -> None:
    """Draw what was measured into an SVG file."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    names = {way.name: f"ours, {way.name}" if way.ours else way.name for way in ways(run.reduced)}
    figure = Figure(
        figsize=(3.6 + 2.6 * len(run.networks), 0.9 + 0.36 * len(names) + 0.9), layout="constrained"
    )
    panels = figure.subplots(1, len(run.networks), sharey=True, squeeze=False)[0]
    for panel, network in zip(panels, run.networks, strict=True):
        _draw(panel, run, network, list(names))
    panels[0].set_yticks(range(len(names)), list(names.values()))
    panels[0].set_ylim(len(names) - 0.4, -0.6)  # the first on top
    used = {network.precision(way) for network in run.networks for way in network.rounds}
    shown = [name for name in COLOURS if name in used or name in run.peaks]
    legend = [Patch(color=COLOURS[name], label=name) for name in shown]
    legend += [
        Line2D([], [], color=COLOURS[name], linestyle="--", label=f"what {name} allows at most")
        for name in run.peaks
    ]
    figure.legend(handles=legend, loc="outside lower center", ncols=len(legend), frameon=False, fontsize=8)
    with staged(path) as temporary:
        figure.savefig(temporary, metadata={"Date": None})


def _draw(panel: Any, run: Run, network: Network, names: list[str]) -> None:
    """Draw one network's bars with the range of their rounds; what has no bar was left out or is wrong."""
    most = 0.0
    for at, name in enumerate(names):
        if name not in network.rounds:
            panel.text(0, at, " left out", va="center", fontsize=7, color="#777777")
            continue
        rate, rates = network.rate(name), [each.rate for each in network.rounds[name].values()]
        colour = COLOURS[network.precision(name)]
        panel.barh(at, rate, color=colour, alpha=1.0 if name.startswith("--") else OTHERS)
        panel.plot([min(rates), max(rates)], [at, at], color="black", linewidth=1)
        wrong = " WRONG" if network.is_wrong(name) else ""
        panel.text(max(rates), at, f" {rate:.3g}{wrong}", va="center", fontsize=7)
        most = max(most, *rates)
    for precision in run.peaks:
        floor = run.floor(network, precision)
        panel.axvline(floor, color=COLOURS[precision], linestyle="--", linewidth=1)
        most = max(most, floor)
    panel.set_xlim(0, 1.18 * most)
    panel.set_title(network.facts.title, fontsize=9)
    panel.set_xlabel("images/s", fontsize=8)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
