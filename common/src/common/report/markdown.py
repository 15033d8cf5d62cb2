"""`report.md`: what metrics.json says, verdict first, for people and for pages that render Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from common.report import beside


def page(report: Mapping[str, Any]) -> str:
    """Return the text of a report made of what metrics.json holds."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    word, words = beside.verdict(report)
    yield f"# {_text(report.get('title', report.get('model')))} on {_text(report.get('dataset'))}: {_text(word)}"
    yield from ("", f"**{_text(words)}**", "")
    if not beside.is_comparable(report):
        yield from (f"Not comparable with the published figures: measured on {_text(report.get('why'))}.", "")
    agreement = report.get("agreement")
    if not agreement and any(row.measured is not None for row in beside.rows(report)):
        yield from _figures(report)
    if agreement:
        yield from ("## Against torch", "", *_list(beside.flat(agreement)))
    yield from ("", "## All figures", "", *_table(("figure", "value"), beside.flat(report.get("metrics"))))
    yield from ("", "## Time", "", *_time(report))
    yield from ("", "## What made it", "", *_list(_origin(report)))


def _figures(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of figures beside published ones, and who publishes them."""
    found, compared = beside.rows(report), beside.is_comparable(report)
    others = [("published", [row.published for row in found]), ("on the NPU", [row.npu for row in found])]
    if any(row.upstream is not None for row in found):
        others.append(("also published", [row.upstream for row in found]))
    header = ["", "measured"]
    cells = [[row.name, beside.share(row.measured)] for row in found]
    for name, values in others:
        header += [name, "difference"] if compared else [name]
        for row, cell, value in zip(found, cells, values, strict=True):
            apart = [beside.difference(row.measured, value)] if compared else []
            cell.extend([beside.share(value), *apart])
    yield from _table(header, cells)
    yield from ("", f"Published: {_text(report.get('published_by'))}.")
    if by := report.get("upstream_by"):
        yield f"Also published: {_text(by)}."


def _time(report: Mapping[str, Any]) -> Iterator[str]:
    stages = beside.stages(report)
    yield from _table(("stage", "seconds"), [(name, f"{spent:.3f}") for name, spent in stages])
    if told := beside.clock(report):
        yield from ("", told)
    for key, words in beside.MEASURED.items():
        if (value := beside.number(report.get(key))) is not None:
            yield from ("", f"{words}: {value:,.4g}.")
    devices, lines = beside.documented(report)
    if lines:
        yield from ("", "The guide documents these images per second and card, of the network alone:", "")
        yield from _table(("batch size", *devices), lines)


def _origin(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("backend", "precision", "batch size", "weights"):
        if report.get(key) is not None:
            yield key, str(report[key])
    yield from beside.flat(report.get("provenance") or {})
    yield from beside.flat(report.get("versions") or {})


def _list(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield names and what they are."""
    for name, words in pairs:
        yield f"- {_text(name)}: {_text(words)}" if name else f"- {_text(words)}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a table whose first column holds names and whose others hold figures."""
    yield f"| {' | '.join(header)} |"
    yield "|---|" + "---:|" * (len(header) - 1)
    for row in rows:
        yield f"| {' | '.join(map(_text, row))} |"


def _text(value: object) -> str:
    """Return text of which Markdown makes nothing else: on one line, no table's bars, no markup."""
    plain = " ".join(str(value).split())
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", plain)
