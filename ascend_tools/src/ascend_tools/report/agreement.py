"""The part of a page that says how well the deployed network agrees with torch: outputs, and what the task makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ascend_tools.report.markup import note, pairs, section, table, text
from common.report import beside

_LARGEST = "largest difference from torch, "  # and the output's name: a key of the metrics
_WORDS = (
    "The deployed network beside torch on the same pictures: its outputs, and what the task makes of them."
)
_OWN = ("verdict", "why", "metric", "share of spread", "same results")


def agreement(report: Mapping[str, Any]) -> str:
    """Return the section; nothing where torch was not there."""
    found = report.get("agreement")
    return (
        section("Against torch", note(_WORDS), _outputs(report, found), pairs(_rest(found)))
        if isinstance(found, Mapping)
        else ""
    )


def _outputs(report: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """Return the table of the outputs: how far they differ at most, and what share that is of how they change."""
    metrics, spread = report.get("metrics"), found.get("share of spread")
    largest = {
        name.removeprefix(_LARGEST): value
        for name, value in (metrics.items() if isinstance(metrics, Mapping) else ())
        if name.startswith(_LARGEST)
    }
    shares = spread if isinstance(spread, Mapping) else {}
    rows = [
        (text(name), _small(largest.get(name)), _small(shares.get(name)))
        for name in dict.fromkeys((*largest, *shares))
    ]
    header = ("output", "largest difference", "share of its spread from item to item")
    return table(header, rows) if rows else ""


def _small(value: object) -> str:
    number = beside.number(value)
    return beside.NONE if number is None else f"{number:.2e}"


def _rest(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    metric = found.get("metric")
    if isinstance(metric, Mapping):
        value, accepted = beside.number(metric.get("value")), beside.number(metric.get("accepted"))
        words = "" if accepted is None else f", from {accepted:g} on accepted"
        yield f"{metric.get('name')} with torch's results as the truth", f"{beside.share(value)}{words}"
    same = beside.number(found.get("same results"))
    if same is not None:
        yield "results that are the same", f"{100 * same:.2f} %"
    yield from beside.flat({key: value for key, value in found.items() if key not in _OWN})
