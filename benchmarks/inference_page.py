"""What `inference.py` measured, as a table in Markdown, as JSON, and what it comes to: PASS, or how far it is from that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from ascend_tools.benchmark.measurements import Outputs
from common import kernel
from common.facts import Facts
from common.files import staged
from common.report.versions import packages, versions
from common.threads import cores
from inference_child import Result
from inference_paths import ways

BUSY = 0.05  # share of the CPUs' time in other programs, from which figures are worth little


@dataclass(frozen=True)
class Peak:
    """The most operations a second, and which library did them."""

    rate: float
    by: str


@dataclass
class Network:
    """What was measured of a network: results by way and round, why ways were left out, how right their outputs are.

    `operations` are those of a batch; `spread` is how much each output changes from item to item.
    """

    name: str
    facts: Facts
    model: Path
    batch_size: int
    operations: int
    rounds: dict[str, dict[int, Result]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Outputs] = field(default_factory=dict)
    spread: tuple[float, ...] | None = None

    def rate(self, way: str) -> float:
        """Return the median images per second."""
        return median(each.rate for each in self.rounds[way].values())

    def precision(self, way: str) -> str:
        """Return what a way computed in."""
        return next(iter(self.rounds[way].values())).precision

    def is_wrong(self, way: str) -> bool:
        """Tell whether a way's outputs are not accepted."""
        return self.outputs[way].ok is False

    def ratios(self, way: str, other: str) -> list[float]:
        """Return how many times as fast one way is as another, in each round that has both."""
        ours, theirs = self.rounds[way], self.rounds[other]
        return [ours[number].rate / theirs[number].rate for number in sorted(ours.keys() & theirs.keys())]


@dataclass
class Run:
    """What was measured on this machine; `reduced` is its best precision below float32, `settings` the arguments."""

    reduced: str | None
    settings: Mapping[str, Any]
    networks: list[Network] = field(default_factory=list)
    peaks: dict[str, Peak] = field(default_factory=dict)

    def floor(self, network: Network, precision: str) -> float | None:
        """Return the images per second that no way can be beyond in a precision; None where its peak is not known."""
        peak = self.peaks.get(precision)
        return peak and network.batch_size * peak.rate / network.operations


def text(run: Run) -> str:
    """Return the page in Markdown."""
    lines = ["# Inference on this CPU", "", machine(), ""]
    lines += [
        f"- {precision}: {peak.rate / 1e9:.0f} billion operations a second at most, measured with {peak.by}"
        for precision, peak in run.peaks.items()
    ]
    for network in run.networks:
        lines += ["", *_table(run, network), "", *(f"- {verdict}" for verdict in verdicts(run, network))]
        lines += [f"- left out: {name}: {why}" for name, why in network.left_out.items()]
        lines += [
            f"- WRONG: {name}: {network.outputs[name].words}"
            for name in network.rounds
            if network.is_wrong(name)
        ]
    if busy := _busiest(run):
        lines += [
            "",
            f"Other programs used up to {100 * busy:.0f} % of the CPUs meanwhile: measure again on an idle machine.",
        ]
    return "\n".join(lines)


def machine() -> str:
    """Return what was measured on and with."""
    installed = {**packages(), **versions()}
    return f"{kernel.cpu_model()}, {cores()} cores; " + ", ".join(
        f"{name} {version}" for name, version in installed.items()
    )


def _table(run: Run, network: Network) -> list[str]:
    """Return the table of one network: a row for each way, ours first."""
    title = f"{network.facts.title}, batches of {network.batch_size}, {network.operations / 1e9:.2f} billion operations each"
    rows = [
        f"## {title}",
        "",
        "| | precision | images/s | range | of the floor | CPU ms/image | ready after | outputs differ by, of their spread |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    rows += [
        f"| *floor* | {precision} | {run.floor(network, precision):.2f} | | 100 % | | | |"
        for precision in run.peaks
    ]
    for way in ways(run.reduced):
        if way.name not in network.rounds:
            continue
        found = list(network.rounds[way.name].values())
        rates = [each.rate for each in found]
        precision = network.precision(way.name)
        most = run.floor(network, precision)
        share = f"{100 * network.rate(way.name) / most:.0f} %" if most else "?"
        named = f"ours, {way.name}" if way.ours else way.name
        note = f" ({found[0].note})" if found[0].note else ""
        spent, ready = (median(getattr(each, key) for each in found) for key in ("cpu_seconds", "ready"))
        rows.append(
            f"| {named}{note} | {precision} | {network.rate(way.name):.2f} | {min(rates):.2f} to {max(rates):.2f} | {share} "
            f"| {1000 * spent:.1f} | {ready:.1f} s | {_difference(network, way.name)} |"
        )
    return rows


def _difference(network: Network, way: str) -> str:
    """Return the largest difference of all outputs, as a share of what each changes from item to item."""
    compared = network.outputs[way]
    shares = [
        compared.differences[tensor.name] / spread
        for tensor, spread in zip(network.facts.outputs, network.spread or (), strict=False)
        if tensor.name in compared.differences and spread
    ]
    wrong = " WRONG" if network.is_wrong(way) else ""
    return (f"{max(shares):.1e}" if shares else compared.words) + wrong


def verdicts(run: Run, network: Network) -> list[str]:
    """Return how ours compares with the best of the others: in each precision, and whatever they compute in."""
    right = {
        way.name: way.ours
        for way in ways(run.reduced)
        if way.name in network.rounds and not network.is_wrong(way.name)
    }
    ours = {}
    for precision in filter(None, ("float32", run.reduced)):
        mine = [name for name, own in right.items() if own and network.precision(name) == precision]
        if mine:  # --backend auto, which stands first, unless it was left out
            ours[precision] = mine[0]
    others = [name for name, own in right.items() if not own]
    lines = []
    for precision, mine in ours.items():
        same = [name for name in others if network.precision(name) == precision]
        lines.append(
            _verdict(
                network, mine, same, f"{precision}: ours ({mine})", f"the best of the others in {precision}"
            )
        )
    if ours:
        fastest = max(ours.values(), key=network.rate)
        what = f"whatever the precision: ours in {network.precision(fastest)} ({fastest})"
        lines.append(_verdict(network, fastest, others, what, "the best of all others"))
    return lines or ["ours: nothing was measured that is right"]


def _verdict(network: Network, mine: str, others: Iterable[str], what: str, whose: str) -> str:
    """Say how one of ours compares with the fastest of some others; as fast is what in some round was as fast."""
    best = max(others, key=network.rate, default=None)
    if best is None:
        return f"{what}: there is no other to compare with"
    ratios = network.ratios(mine, best)
    if not ratios:
        return f"{what}: no round has both it and {best}"
    middle = median(ratios)
    said = f"{what}: {middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f}) times {whose}, {best} in {network.precision(best)}"
    if middle >= 1:
        return f"{said}: PASS"
    return (
        f"{said}: PASS within the noise"
        if max(ratios) >= 1
        else f"{said}: behind by {100 * (1 - middle):.0f} %"
    )


def _busiest(run: Run) -> float | None:
    shares = [
        each.others
        for network in run.networks
        for rounds in network.rounds.values()
        for each in rounds.values()
    ]
    most = max((share for share in shares if share is not None), default=0.0)
    return most if most > BUSY else None


def write(out: Path, run: Run) -> None:
    """Write inference.md and inference.json."""
    networks = [
        {
            "name": network.name,
            "model": network.model,
            "batch_size": network.batch_size,
            "operations": network.operations,
            "floor": {precision: run.floor(network, precision) for precision in run.peaks},
            "rounds": network.rounds,
            "left_out": network.left_out,
            "outputs": network.outputs,
            "spread": network.spread,
            "verdicts": verdicts(run, network),
        }
        for network in run.networks
    ]
    record = {"machine": machine(), "settings": run.settings, "peaks": run.peaks, "networks": networks}
    encoded = msgspec.json.encode(record, enc_hook=str)
    for name, content in (
        ("inference.md", f"{text(run)}\n".encode()),
        ("inference.json", msgspec.json.format(encoded)),
    ):
        with staged(out / name) as temporary:
            temporary.write_bytes(content)
