"""What was measured beside what the guide documents: the best of each backend, and the ratios that the guide asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ascend_tools.benchmark.rows import Row
from common.facts import Facts
from common.report.throughput import Best, Rates, best, best_ratio, card_of


@dataclass(frozen=True)
class Series:
    """The rows of one backend on one device: images per second and card by batch size, those that are VALID apart.

    Of a rehearsal, and where the chips of a card are not known, they are images per second of what was measured.
    """

    name: str
    backend: str
    device: str
    rates: Rates
    valid: Rates
    rehearsal: bool
    comparable: bool

    @property
    def best(self) -> Best | None:
        """The best of what is VALID, None where nothing is."""
        return best(self.valid) if self.valid else None


@dataclass(frozen=True)
class Judged:
    """A ratio that the guide asks for, best to best: what was reached, None where nothing VALID was measured."""

    name: str
    column: str
    accepted: float
    reached: float | None

    @property
    def ok(self) -> bool:
        """Whether it is reached."""
        return self.reached is not None and self.reached >= self.accepted


def series_of(rows: Sequence[Row]) -> list[Series]:
    """Return the rows by backend, in their order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.name, row.precision), []).append(row)
    names = [name for name, _ in groups]
    found = []
    for (name, precision), own in groups.items():
        rates = {row.batch_size: _rate(row) for row in own}
        valid = {row.batch_size: _rate(row) for row in own if not row.verdict.reasons}
        title = name if names.count(name) == 1 else f"{name} {precision}"
        first = own[0]
        comparable = first.card is not None
        found.append(Series(title, first.backend, first.device, rates, valid, first.rehearsal, comparable))
    return found


def _rate(row: Row) -> float:
    return row.pure.throughput if row.card is None else row.card


def best_ratios(series: Series, facts: Facts) -> dict[str, float]:
    """Return how many times as fast the best of a backend is as the best of each documented column."""
    if not series.valid or not series.comparable:
        return {}
    return {name: best_ratio(series.valid, rates) for name, rates in facts.throughput.cards.items()}


def judged(all_series: Sequence[Series], facts: Facts) -> list[Judged]:
    """Return the ratios that the guide asks for of a device, for each backend that ran on such a one."""
    return [
        Judged(series.name, ratio.to, ratio.accepted, best_ratios(series, facts).get(ratio.to))
        for series in all_series
        for ratio in facts.throughput.ratios
        if ratio.accepted is not None and series.comparable and card_of(series.device) == ratio.of
    ]


def best_as_data(series: Series, facts: Facts) -> Mapping[str, object]:
    """Return the best of a backend for a record."""
    found = series.best
    if found is None:
        return {"batch_size": None, "rate": None, "ratios": {}}
    return {"batch_size": found.batch_size, "rate": found.rate, "ratios": best_ratios(series, facts)}
