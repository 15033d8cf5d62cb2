"""The tables of a benchmark in Markdown, readable in a terminal, too."""

from __future__ import annotations

from collections.abc import Sequence

from ascend_tools.benchmark.comparison import Series, series_of
from ascend_tools.benchmark.figures import Figure
from ascend_tools.benchmark.rows import Row
from common.facts import Facts
from common.report.throughput import best, best_ratio, ratios

INVALID_MARK = "!"
Cells = Sequence[str]


def rate(value: float | None) -> str:
    """Return a number of images per second, or of milliseconds, with four digits at least of what counts."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.4g}"


def ratio(value: float | None) -> str:
    """Return how many times as fast something is."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def with_noise(figure: Figure | None) -> str:
    """Return images per second with their noise: `123.4 ±3 %`."""
    if figure is None:
        return "-"
    return rate(figure.throughput) + ("" if figure.noise is None else f" ±{percent(figure.noise)}")


def percent(part: float) -> str:
    """Return a part in percent, with a digit behind the point where it is small."""
    return f"{100 * part:.1f}%" if part < 0.0995 else f"{100 * part:.0f}%"


def markdown(header: Cells, rows: Sequence[Cells], left: int = 1) -> list[str]:
    """Return a table in Markdown, its columns of one width; the first `left` and the last to the left, the others to the right.

    Columns that no row fills, which all hold "-" or nothing, are left out.
    """
    kept = (
        [k for k in range(len(header)) if any(row[k] not in ("-", "") for row in rows)]
        if rows
        else range(len(header))
    )
    lines = [[row[k].replace("|", "\\|") for k in kept] for row in (header, *rows)]
    texts = [k < left or header[k] == "verdict" or header[k] == "limited by" for k in kept]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(
        1,
        ["-" * width if text else "-" * (width - 1) + ":" for width, text in zip(widths, texts, strict=True)],
    )
    return [
        "| "
        + " | ".join(
            cell.ljust(width) if text else cell.rjust(width)
            for cell, width, text in zip(line, widths, texts, strict=True)
        )
        + " |"
        for line in lines
    ]


def measured_table(rows: Sequence[Row], facts: Facts) -> list[str]:
    """Return the table of what was measured: one row for each backend and batch size."""
    columns = list(facts.throughput.cards)
    percentiles = [name for name in ("p90", "p95", "p99") if any(name in row.latency_ms for row in rows)]
    several = {row.precision for row in rows} != {"float32"}
    shared = any(row.at_once > 1 for row in rows)
    per_card = any(row.chips is not None and (row.chips, row.devices) != (1, 1) for row in rows)
    header = [
        "backend",
        "precision",
        "batch",
        "images/s",
        "at once",
        "ms median",
        *percentiles,
        "end to end",
        "limited by",
        "per card",
        *(f"/ {name}" for name in columns),
        "verdict",
    ]
    cells = [
        [
            row.name,
            row.precision if several else "",
            str(row.batch_size),
            with_noise(row.pure),
            str(row.at_once) if shared else "-",
            rate(row.latency_ms.get("median")),
            *(rate(row.latency_ms.get(name)) for name in percentiles),
            with_noise(row.end_to_end),
            row.limiting or "-",
            rate(row.card) if per_card else "-",
            *(ratio(row.ratios.get(name)) for name in columns),
            str(row.verdict),
        ]
        for row in rows
    ]
    return markdown(header, cells, left=2 if several else 1)


def guide_table(rows: Sequence[Row], facts: Facts) -> list[str]:
    """Return the guide's table, images per second and card, with its ratios, a column for each backend, and the best row."""
    throughput = facts.throughput
    all_series = series_of(rows)
    pairs = [(each.of, each.to) for each in throughput.ratios]
    divided = [ratios(throughput.cards[of], throughput.cards[to]) for of, to in pairs]
    sizes = {size for rates in throughput.cards.values() for size in rates}
    sizes |= {size for series in all_series for size in series.rates}
    header = [
        "batch",
        *throughput.cards,
        *(f"{of} / {to}" for of, to in pairs),
        *(series.name for series in all_series),
    ]
    cells = [
        [
            str(size),
            *(rate(rates.get(size)) for rates in throughput.cards.values()),
            *(ratio(each.get(size)) for each in divided),
            *(_marked(series, size) for series in all_series),
        ]
        for size in sorted(sizes)
    ]
    cells.append(
        [
            "best",
            *(rate(best(rates).rate) for rates in throughput.cards.values()),
            *(ratio(best_ratio(throughput.cards[of], throughput.cards[to])) for of, to in pairs),
            *(rate(series.best.rate if series.best else None) for series in all_series),
        ]
    )
    return markdown(header, cells, left=0)


def _marked(series: Series, size: int) -> str:
    """Return a figure of a backend; one that is INVALID is marked."""
    if size not in series.rates:
        return "-"
    return rate(series.rates[size]) + ("" if size in series.valid else f" {INVALID_MARK}")
