"""The head of a page: the verdict, the first figures, and the table of all that something is published of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ascend_tools.report.markup import note, table, text
from common.report import beside
from common.report.beside import Row

_SCALES = "On the scale: the dot is measured, the long stroke published, the short one the NPU's; the shaded part is not accepted."
_WIDTH, _MIDDLE = 170, 11  # of a scale, in pixels


def head(report: Mapping[str, Any]) -> str:
    """Return the title, the verdict, what it is judged by, and the first figures."""
    title, dataset = report.get("title", report.get("model")), report.get("dataset")
    verdict, words = beside.verdict(report)
    kind = {"PASS": " good", "OK": " good", "FAIL": " bad"}.get(verdict, "")
    return "\n".join(
        (
            "<header>",
            f'<p class="eyebrow">{text(_how(report))}</p>',
            f"<h1>{text(title)} on {text(dataset)}</h1>",
            f'<p class="verdict{kind}"><b>{text(verdict)}</b><span>{text(words)}</span></p>',
            _caveats(report),
            _figures(report),
            f'<dl class="tiles">{"".join(_tiles(report))}</dl>',
            "</header>",
        )
    )


def _how(report: Mapping[str, Any]) -> str:
    return " · ".join(
        ["Accuracy report", *(str(report[key]) for key in ("backend", "precision") if report.get(key))]
    )


def _caveats(report: Mapping[str, Any]) -> str:
    """Return why the figures are others than the published ones, where the verdict is of something else."""
    if beside.is_comparable(report) or not isinstance(report.get("agreement"), Mapping):
        return ""
    why = text(report.get("why", report.get("dataset")))
    return f'<div class="caveats"><p>Not comparable with the published figures: measured on {why}.</p></div>'


def _tiles(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures of the run as a whole, which nothing is published of."""
    agreement = report.get("agreement")
    metric = agreement.get("metric") if isinstance(agreement, Mapping) else None
    if isinstance(metric, Mapping):
        value = beside.number(metric.get("value"))
        yield _tile(f"{metric.get('name')} against torch's results", beside.share(value), "1 is nothing lost")
        for row in beside.rows(report):
            if row.measured is not None:
                yield _tile(f"{row.name} against annotations", beside.share(row.measured))
    pictures, rate = beside.number(report.get("images")), beside.number(report.get("images/s"))
    if pictures is not None:
        yield _tile("pictures", f"{pictures:,.0f}")
    if rate is not None:
        yield _tile("images/s, all stages", f"{rate:,.4g}")
    memory = beside.number(report.get("peak memory in MiB"))
    if memory is not None:
        yield _tile("peak memory", f"{memory:,.0f} MiB")


def _tile(name: str, value: str, under: str = "") -> str:
    more = f'<span class="under">{text(under)}</span>' if under else ""
    return f'<div><dt>{text(name)}</dt><dd><span class="value">{text(value)}</span>{more}</dd></div>'


def _apart(measured: float | None, other: float | None, drop: float | None) -> str:
    """Return a difference, marked where it is a drop by more than the accepted share."""
    words = text(beside.difference(measured, other)).replace("-", "\N{MINUS SIGN}")
    is_too_low = measured is not None and other is not None and other - measured > (drop or 0.0) * other
    return f'<span class="down">{words}</span>' if is_too_low else words


def _figures(report: Mapping[str, Any]) -> str:
    """Return the table of figures beside published ones, each with a scale where the differences can be compared."""
    if isinstance(report.get("agreement"), Mapping):  # which is the verdict then
        return ""
    rows = [row for row in beside.rows(report) if row.measured is not None and (row.published or row.npu)]
    columns = [("published", "published"), ("on the NPU", "npu")]
    columns = [(name, key) for name, key in columns if any(getattr(row, key) is not None for row in rows)]
    compared = beside.is_comparable(report)
    if not columns:
        return ""
    header = ["", "measured"]
    for name, _ in columns:
        header += [name, "difference"] if compared else [name]
    drop = beside.accepted_drop(report) if compared else None
    cells = []
    for row in rows:
        line = [f"<b>{text(beside.share(row.measured))}</b>"]
        for _, key in columns:
            other = getattr(row, key)
            line += [text(beside.share(other))] + ([_apart(row.measured, other, drop)] if compared else [])
        # On a phone, each figure stands on a line of its own, after its name.
        named = [
            f'<td data-name="{text(name)}">{cell}</td>' for name, cell in zip(header[1:], line, strict=True)
        ]
        cells.append([text(row.name), *named, *([_scale(row, drop)] if drop is not None else [])])
    header += [""] if drop is not None else []
    size = " several" if len(rows) > 1 else ""
    told = note(f"Published: {report.get('published_by')}.") + note(_upstream(report, compared=compared))
    scales = f'<p class="note scales">{_SCALES}</p>' if drop is not None else ""
    return f'<div class="lead{size}">{table([text(name) for name in header], cells)}{told}{scales}</div>'


def _upstream(report: Mapping[str, Any], *, compared: bool) -> str:
    """Return what else is published, which nothing is judged by."""
    found = []
    for row in beside.rows(report):
        if row.upstream is not None and row.measured is not None:
            apart = f" ({beside.difference(row.measured, row.upstream)})" if compared else ""
            found.append(
                f"{row.name} {beside.share(row.upstream)}, measured {beside.share(row.measured)}{apart}"
            )
    return f"Also published, by {report.get('upstream_by')}: {'; '.join(found)}." if found else ""


def _scale(row: Row, drop: float) -> str:
    """Return a scale with the measured, the published and the NPU's figure, and the part of it that is not accepted."""
    if row.published is None or row.measured is None:
        return "<td></td>"
    limit = row.published * (1 - drop)
    values = [value for value in (row.measured, row.published, row.npu, limit) if value is not None]
    low, high = min(values), max(values)
    room = (high - low) * 0.15 or 0.01

    def place(value: float) -> float:
        return round(4 + (_WIDTH - 8) * (value - low + room) / (high - low + 2 * room), 1)

    strokes = [
        f'<rect x="0" y="4" width="{place(limit)}" height="14" fill="var(--bad)" fill-opacity=".14"/>',
        f'<path d="M0 {_MIDDLE}H{_WIDTH}" stroke="var(--rule)"/>',
        f'<path d="M{place(row.published)} 2V20" stroke="var(--ink)" stroke-width="1.5"/>',
    ]
    if row.npu is not None:
        strokes.append(f'<path d="M{place(row.npu)} 7V15" stroke="var(--ink)" stroke-width="1.5"/>')
    strokes.append(f'<circle cx="{place(row.measured)}" cy="{_MIDDLE}" r="4.5" fill="var(--accent)"/>')
    return (
        f'<td><svg class="scale" viewBox="0 0 {_WIDTH} 22" aria-hidden="true">{"".join(strokes)}</svg></td>'
    )
