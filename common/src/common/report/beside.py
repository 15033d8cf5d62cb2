"""What metrics.json says, as rows for a report: figures beside the published ones, times, where they come from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from common.report.emulated import label

NONE = "–"  # noqa: RUF001  a dash: nothing is there
CLOCK = ("run", "total")  # in metrics.json's seconds: of the clock, and not summed over threads
# Of metrics.json, what was measured of the run as a whole, and what it is called.
MEASURED = {"images/s": "Images per second, all stages", "peak memory in MiB": "Peak memory in MiB"}


@dataclass(frozen=True)
class Row:
    """A figure, beside what is published of it and what was measured on the NPU; None where there is none."""

    name: str
    measured: float | None
    published: float | None
    npu: float | None
    upstream: float | None


def rows(report: Mapping[str, Any]) -> list[Row]:
    """Return the figures of metrics.json of which something is published, in the order in which that is."""
    tables = [_table(report, key) for key in ("metrics", "published", "npu", "upstream")]
    names = dict.fromkeys(name for table in tables[1:] for name in table)
    return [Row(name, *(number(table.get(name)) for table in tables)) for name in names]


def is_comparable(report: Mapping[str, Any]) -> bool:
    """Tell whether the figures are of the whole published data set."""
    return report.get("comparable") is True


def share(value: float | None) -> str:
    """Return a figure, a share from 0 to 1, as a report shows it: with four decimals."""
    return NONE if value is None else f"{value:.4f}"


def difference(measured: float | None, other: float | None) -> str:
    """Return by how much a figure is above another one, and by what share of that."""
    if measured is None or other is None:
        return NONE
    apart = measured - other
    return f"{apart:+.4f}" + (f" ({100 * apart / other:+.2f} %)" if other else "")


def number(value: object) -> float | None:
    """Return what was read from a file as a number, None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # a whole number beyond any float
        return None


def verdict(report: Mapping[str, Any]) -> tuple[str, str]:
    """Return the verdict of a run in a word, and in a sentence: that of the agreement with torch where that was measured."""
    agreement, told = report.get("agreement"), label(str(report.get("precision")))
    if not isinstance(agreement, Mapping) or not agreement.get("verdict"):
        return str(report.get("verdict")), f"{headline(report)}{told}."
    word = str(agreement["verdict"])
    why = agreement.get("why") or "Export and deployment differ from torch."
    return word, f"Export and deployment agree with torch{told}." if word == "OK" else str(why)


def headline(report: Mapping[str, Any]) -> str:
    """Return in one sentence what was found.

    That is the figure that is furthest below the published one, or, where these cannot be compared, the first and why.
    """
    found = rows(report)
    if is_comparable(report):
        judged = [row for row in found if row.published]
        if lost := next((row for row in judged if row.measured is None), None):
            return f"{lost.name} could not be measured"
        if judged:
            return _beside(min(judged, key=_apart), beyond=accepted_drop(report))
    first = next((row for row in found if row.measured is not None), None)
    if first is None:
        return "No figure of which something is published"
    return f"{first.name} {share(first.measured)}, measured on {report.get('why', report.get('dataset'))}"


def _beside(row: Row, beyond: float | None) -> str:
    apart = 100 * _apart(row)
    side = "above" if apart > 0 else "below"
    accepted = "" if beyond is None else f"; a drop of {100 * beyond:g} % is accepted"
    return f"{row.name} {share(row.measured)} is {abs(apart):.2f} % {side} the published {share(row.published)}{accepted}"


def _apart(row: Row) -> float:
    """Return by what share of the published figure, which is not 0, the measured one is above it."""
    return ((row.measured or 0.0) - (row.published or 0.0)) / (row.published or 1.0)


def accepted_drop(report: Mapping[str, Any]) -> float | None:
    """Return the share of the published figure that a figure may be below it, None where there is none."""
    return number(report.get("accepted_drop"))


def stages(report: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the seconds by stage, summed over threads."""
    return [(name, spent) for name, spent in _seconds(report).items() if name not in CLOCK]


def clock(report: Mapping[str, Any]) -> str:
    """Return in words what the clock says of the run; stages that run at once add up to more."""
    spent = _seconds(report)
    told = f"{spent['total']:,.3f} s in all by the clock" if "total" in spent else ""
    if told and "run" in spent:
        told += f", {spent['run']:,.3f} s of it from the first picture read to the last result stored"
    return told and f"{told}. Stages are summed over threads: those that run at once add up to more."


def _seconds(report: Mapping[str, Any]) -> dict[str, float]:
    found = {name: number(value) for name, value in _table(report, "seconds").items()}
    return {name: value for name, value in found.items() if value is not None}


def documented(report: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the devices and the table of the documented images per second: by batch size, and last the best."""
    cards = {
        name: rates
        for name, rates in _table(report, "documented images/s").items()
        if isinstance(rates, Mapping)
    }
    cards = {name: {str(size): number(rate) for size, rate in rates.items()} for name, rates in cards.items()}
    sizes = sorted({size for rates in cards.values() for size in rates}, key=lambda size: (len(size), size))
    lines = [[size, *(_rate(rates.get(size)) for rates in cards.values())] for size in sizes]
    best = [
        max((rate for rate in rates.values() if rate is not None), default=None) for rates in cards.values()
    ]
    return [*cards], [*lines, ["best", *map(_rate, best)]] if sizes else []


def _rate(rate: float | None) -> str:
    return NONE if rate is None else f"{rate:,.1f}"


def flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of what JSON holds, each with the names that lead to it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flat(inner, f"{name} {key}".strip())
    elif isinstance(value, list):
        yield name, ", ".join(map(_word, value)) or NONE
    else:
        yield name, _word(value)


def _word(value: object) -> str:
    return NONE if value is None else str(value)


def _table(report: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = report.get(key)
    return found if isinstance(found, Mapping) else {}
