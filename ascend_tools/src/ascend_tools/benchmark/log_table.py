"""The logs of tools as a table in Markdown, a row for each run, and what has to be known of them below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean

from ascend_tools.benchmark.log_runs import Run
from ascend_tools.benchmark.logs import Log
from common import rehearsal

_HEADINGS = ("log", "tool", "device", "batch", "images/s", "mean ms", "median ms", "p99 ms", "consistent")
_LEFT = 2  # columns of words; those of figures stand at the right
_TOTAL = "all"


def lines(logs: Sequence[Log]) -> list[str]:
    """Return the table, and a sentence for each problem and note."""
    rows = [list(_HEADINGS), *(row for log in logs for row in _rows(log))]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEADINGS))]
    ruler = ["-" * (w if at < _LEFT else w - 1) + ("" if at < _LEFT else ":") for at, w in enumerate(widths)]
    table = [
        [
            cell.ljust(w) if at < _LEFT else cell.rjust(w)
            for at, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        for row in (rows[0], ruler, *rows[1:])
    ]
    below = [line for log in logs for line in _below(log)]
    return [*(f"| {' | '.join(row)} |" for row in table), *(["", *below] if below else [])]


def rates(logs: Sequence[Log]) -> dict[int, float]:
    """Return images per second of one device by batch size, the mean of several runs.

    Only figures that may be compared count: of runs that ended well and contradict nothing, with a whole batch size, and no
    rehearsal's.
    """
    found: dict[int, list[float]] = {}
    for log in logs:
        if not log.ok or log.rehearsed or log.contradicted:
            continue
        for run in log.runs:
            if run.usable and run.throughput and run.batch_size and run.batch_size == int(run.batch_size):
                found.setdefault(int(run.batch_size), []).append(run.throughput)
    return {size: fmean(found[size]) for size in sorted(found)}


def _rows(log: Log) -> Iterator[list[str]]:
    name = _cell(str(log.file))
    if not log.runs:
        yield [name, log.tool or "-", *["-"] * (len(_HEADINGS) - _LEFT)]
    for run in log.runs:
        yield [name, run.tool, *_figures(run)]
    if log.devices and log.throughput is not None:
        cells = [_TOTAL, "-", f"{log.throughput:.6g}", *["-"] * 3, _said(log.consistent)]
        yield [name, log.tool or "-", *cells]


def _figures(run: Run) -> list[str]:
    times = [run.latency_ms.get(name) for name in ("mean", "median", "p99")]
    return [
        "-" if run.device is None else str(run.device),
        "-" if run.batch_size is None else f"{run.batch_size:g}",
        "-" if run.throughput is None else f"{run.throughput:.6g}",
        *("-" if time is None else f"{time:.5g}" for time in times),
        _said(run.consistent),
    ]


def _said(consistent: bool | None) -> str:
    return {True: "yes", False: "no", None: "-"}[consistent]


def _below(log: Log) -> Iterator[str]:
    if log.rehearsed:
        yield f"{log.file}: {rehearsal.NOTE}"
    for problem in log.problems:
        yield f"{log.file}: problem: {problem}"
    for note in log.notes:
        yield f"{log.file}: note: {note}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
