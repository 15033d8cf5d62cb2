"""What the vendor's `ais_infer.py`, `ais_bench` and `msit benchmark` print and write of their performance.

Three generations of one project differ in the line of the throughput, in the statistics' table and in the name of a
percentile; public guides also quote single lines, and pieces of `sumary.json`. All are read by their names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from common.npu_tools.printouts import NUMBER, failures, lines, number

COMPUTE = "NPU_compute_time"
TIMES = (COMPUTE, "H2D_latency", "D2H_latency")
# The printed figure is 1000 x batch size / mean of the time that is printed beside it, up to the digits of a table.
_AGREES = 1e-3
_NAMES = "|".join(TIMES)
_TIMES_LINE = re.compile(rf"\b({_NAMES})\s*\(ms\)\s*:\s*(.*)")
_STATISTIC = re.compile(
    rf"\b(min|max|mean|median|(?:percentile\s*\(\s*|P)([0-9]{{1,2}})%?\s*\)?)\s*[=:]\s*({NUMBER})",
    re.IGNORECASE,
)
_FORMULA = re.compile(
    r"\bthroughput\s*\(?\s*1000\s*\*\s*batchsize(?:\.mean)?\s*(?:\(([^()]*)\))?\s*/\s*NPU_compute_time(?:\.mean)?"
    rf"\s*(?:\(([^()]*)\))?\s*\)?\s*[:=]\s*({NUMBER})",
    re.IGNORECASE,
)
_ALONE = re.compile(rf"(?:\[INFO\]\s*)?throughput\s*[:=]\s*({NUMBER})(?:\s*(?:fps|images/s))?", re.IGNORECASE)
_DEVICE = re.compile(rf"\bi:([0-9]{{1,4}})\s+device_([0-9]{{1,4}})\s+throughput:\s*({NUMBER})")
_TOTAL = re.compile(rf"\bsummary throughput:\s*({NUMBER})")
_CODE = re.compile(r"^\s*(E[A-Z]?[0-9]{3,5}):", re.MULTILINE)
_RETURNED = re.compile(r"\b(?:ret|result)(?:\s*[=:]\s*|\s+is\s+)([0-9]{5,6})(?![0-9])")
_NOT_OPENED = re.compile(r"\bopen device ([0-9]{1,4}) failed")
_MISMATCH = re.compile(r"\barg([0-9]{1,4}) tensorsize: ?([0-9]{1,18}) filesize: ?([0-9]{1,18}) not match")
_FRAGMENT = re.compile(rf'"({_NAMES})"\s*:\s*(\{{[^{{}}]*\}})|"throughput"\s*:\s*({NUMBER})')


@dataclass
class Run:
    """One performance summary.

    Attributes:
        times: statistics in milliseconds ("min", "mean", "p99", ...) by what is timed, see `TIMES`.
        throughput: images per second as printed.
        batch_size: as the line of the throughput says, a mean where sizes differ; else what makes the throughput out of
            the mean.
        mean_ms: the mean time of a batch that the throughput was computed from, where it is printed.
        device: the device's number, where several were measured.
    """

    times: dict[str, dict[str, float]] = field(default_factory=dict)
    throughput: float | None = None
    batch_size: float | None = None
    mean_ms: float | None = None
    device: int | None = None

    @property
    def consistent(self) -> bool | None:
        """Whether the throughput is what its own formula gives; None where a part of it is not printed."""
        if self.throughput is None or self.batch_size is None or self.mean_ms is None:
            return None
        if not (self.throughput > 0 and self.mean_ms > 0):
            return False
        return abs(1000 * self.batch_size / self.mean_ms / self.throughput - 1) <= _AGREES


@dataclass
class Log:
    """The runs in a printout, in their order; with several devices each one's throughput, and their sum as printed."""

    runs: list[Run]
    devices: dict[int, float] = field(default_factory=dict)
    total: float | None = None


@dataclass(frozen=True)
class Failure:
    """What a log says of a run that failed: the lines, CANN's code and return value, the device that was not opened.

    `mismatch` is the number of an input, the bytes that the model takes for it and the bytes of the file.
    """

    lines: tuple[str, ...]
    code: str | None
    returned: int | None
    device: int | None
    mismatch: tuple[int, int, int] | None


def failure(text: str) -> Failure | None:
    """Return what a log says of a failure, None where it says nothing of one."""
    told = failures(text)
    if not told:
        return None
    code, returned, device = (pattern.search(text) for pattern in (_CODE, _RETURNED, _NOT_OPENED))
    sizes = _MISMATCH.search(text)
    return Failure(
        told,
        code[1] if code else None,
        int(returned[1]) if returned else None,
        int(device[1]) if device else None,
        (int(sizes[1]), int(sizes[2]), int(sizes[3])) if sizes else None,
    )


def parse(text: str) -> Log:
    """Return the performance summaries in a log, in a summary file or in a piece of one."""
    log = Log([])
    current: Run | None = None  # the run whose lines are being read; its throughput is the last of them
    columns: list[str] = []
    for line in lines(text):
        columns = _columns(line) or columns
        timed, stated = _times(line, columns), _throughput(line)
        if "Performance Summary" in line or (timed and current and timed[0] in current.times):
            current = None
        if current is None and (timed or stated):
            current = Run()
            log.runs.append(current)
        if current and timed:
            current.times[timed[0]] = timed[1]
        if current and stated:
            current.batch_size, current.mean_ms, current.throughput = stated
            current = None
        _note_devices(log, line)
    log.runs += _summaries(text)
    for run in log.runs:
        _complete(run)
    return log


def _throughput(line: str) -> tuple[float | None, float | None, float | None] | None:
    """Return batch size, mean milliseconds and throughput that a line states, None for each that it does not."""
    if formula := _FORMULA.search(line):
        return number(formula[1] or ""), number(formula[2] or ""), number(formula[3])
    alone = _ALONE.fullmatch(line)
    return (None, None, number(alone[1])) if alone else None


def _columns(line: str) -> list[str]:
    """Return the names of a table's columns, where a line is its heading."""
    cells = _cells(line)
    return [cell.lower() for cell in cells] if cells[:1] == ["Metric"] else []


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"[│|]", line)[1:-1]]


def _times(line: str, columns: list[str]) -> tuple[str, dict[str, float]] | None:
    """Return what a line times and its statistics, from a sentence or from a row of a table."""
    if named := _TIMES_LINE.search(line):
        return named[1], _statistics(named[2])
    cells = _cells(line)
    name = cells[0].partition("(")[0].strip() if cells else ""
    if name not in TIMES or len(cells) != len(columns):
        return None
    values = {column: number(cell) for column, cell in zip(columns[1:], cells[1:], strict=True)}
    return name, {column: value for column, value in values.items() if value is not None}


def _statistics(text: str) -> dict[str, float]:
    found = {
        f"p{match[2]}" if match[2] else match[1].lower(): number(match[3])
        for match in _STATISTIC.finditer(text)
    }
    return {name: value for name, value in found.items() if value is not None}


def _note_devices(log: Log, line: str) -> None:
    """Note a line about one device of several, or about all; the run of the same throughput, or place, is a device's."""
    total, each = _TOTAL.search(line), _DEVICE.search(line)
    if total:
        log.total = number(total[1])
    throughput = number(each[3]) if each else None
    if each and throughput is not None:
        order, device = int(each[1]), int(each[2])
        log.devices[device] = throughput
        free = [run for run in log.runs if run.device is None]
        same = [run for run in free if run.throughput == throughput]
        placed = [run for run in log.runs[order : order + 1] if run.device is None]
        for run in [*same, *placed][:1]:
            run.device = device


def _summaries(text: str) -> list[Run]:
    """Return the run of a summary file, of `*sum*mary.json` as a whole or of a piece of it as guides quote it."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _fragment(text)
    if not isinstance(found, Mapping):
        return []
    times = {name: _statistics_of(found[name]) for name in TIMES if isinstance(found.get(name), Mapping)}
    throughput = found.get("throughput")
    if not times and throughput is None:
        return []
    value = number(str(throughput))
    return [Run({name: each for name, each in times.items() if each}, value)]


def _fragment(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for match in _FRAGMENT.finditer(text):
        if match[1]:
            try:
                found[match[1]] = json.loads(match[2])
            except ValueError:
                continue
        else:
            found["throughput"] = match[3]
    return found


def _statistics_of(table: Mapping[str, Any]) -> dict[str, float]:
    """Return a summary file's statistics under the names of the printed ones."""
    named = (
        (re.sub(r"^(?:percentile\(|p)([0-9]{1,2})%?\)?$", r"p\1", name.lower()), value)
        for name, value in table.items()
    )
    values = {name: number(str(value)) for name, value in named}
    known = re.compile(r"min|max|mean|median|p[0-9]{1,2}")
    return {name: value for name, value in values.items() if value is not None and known.fullmatch(name)}


def _complete(run: Run) -> None:
    """Fill in what the line of the throughput does not say, from the statistics beside it."""
    if run.mean_ms is None:
        run.mean_ms = run.times.get(COMPUTE, {}).get("mean")
    if run.batch_size is None and run.mean_ms and run.throughput:
        made = run.throughput * run.mean_ms / 1000
        run.batch_size = max(float(round(made)), 1.0) if made < math.inf else None
