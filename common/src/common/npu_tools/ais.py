"""What the vendor's `ais_infer.py`, `ais_bench` and `msit benchmark` print and write of their performance.

Three generations of one project differ in the line of the throughput, in the statistics' table and in the name of a
percentile; public guides also quote single lines, and pieces of `sumary.json`. All are read by their names.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from common.npu_tools import ais_devices
from common.npu_tools.ais_devices import Several
from common.npu_tools.printouts import NUMBER, lines, number

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
_FRAGMENT = re.compile(rf'"({_NAMES})"\s*:\s*(\{{[^{{}}]*\}})|"throughput"\s*:\s*({NUMBER})')
_OPENED = re.compile(r"\bopen device ([0-9]{1,4}) success")
_ENERGY = re.compile(rf"\bNPU ID:\s*([0-9]{{1,9}}) energy consumption\(J\):\s*({NUMBER})")
_LOWER = re.compile(r"\baclruntime(?: version)?:?\s*([0-9][0-9.]{0,20}|None)(?: version)? is lower")


@dataclass
class Run:
    """One performance summary.

    Attributes:
        times: statistics in milliseconds ("min", "mean", "p99", ...) by what is timed, see `TIMES`.
        throughput: images per second as printed.
        batch_size: as the line of the throughput says, a mean where sizes differ; else what makes the throughput out of
            the mean.
        mean_ms: the mean time of a batch that the throughput was computed from, where it is printed.
        device: the device's number, where it is printed.
        derived: whether the batch size is no printed one, but what makes the throughput out of the mean.
        overlapping: whether the calls of several threads overlap: the mean is then the busy time by the calls, and may be
            below each single one.
        old: whether it is a summary file of `ais_infer`, whose successors count the times.
    """

    times: dict[str, dict[str, float]] = field(default_factory=dict)
    throughput: float | None = None
    batch_size: float | None = None
    mean_ms: float | None = None
    device: int | None = None
    derived: bool = field(default=False, compare=False)
    overlapping: bool = field(default=False, compare=False)
    old: bool = field(default=False, compare=False)

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
    """The runs in a printout, in their order, and the calls with several devices among them.

    `joules` is the energy by the number of the NPU, `lower` the version of an aclruntime that ais_bench finds too old.
    """

    runs: list[Run]
    several: list[Several] = field(default_factory=list)
    joules: dict[int, float] = field(default_factory=dict)
    lower: str | None = None

    @property
    def devices(self) -> dict[int, float]:
        """Images per second by device, where all that was printed is of one call with several."""
        return self.several[0].devices if len(self.several) == 1 else {}

    @property
    def total(self) -> float | None:
        """Their sum as printed."""
        return self.several[0].total if len(self.several) == 1 else None


def parse(text: str, file: str | None = None) -> Log:
    """Return the performance summaries in a log, in a summary file or in a piece of one.

    `file` is the whole of it, where the text is only its telling lines.
    """
    log = Log([])
    current: Run | None = None  # the run whose lines are being read; its throughput is the last of them
    columns: list[str] = []
    opened: set[str] = set()
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
        _note_whole(log, line)
        ais_devices.note(log.several, line)
        opened.update(_OPENED.findall(line))
    ais_devices.name(log.several, log.runs, Run)
    whole = text if file is None else file
    if '"throughput"' in whole or f'"{COMPUTE}"' in whole:
        printed = {run.throughput for run in log.runs} - {None}
        log.runs += [
            run for run in _summaries(whole) if run.throughput not in printed
        ]  # not shown a second time
    for run in log.runs:
        _complete(run)
        if len(opened) == 1 and run.device is None:
            run.device = int(*opened)
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


def _note_whole(log: Log, line: str) -> None:
    """Note what a line says of all runs: the energy, a library that is too old."""
    if (energy := _ENERGY.search(line)) and (joules := number(energy[2])) is not None:
        log.joules[int(energy[1])] = joules
    if lower := _LOWER.search(line):
        log.lower = lower[1]


def _summaries(text: str) -> list[Run]:
    """Return the runs of summary files, of `*sum*mary.json` as a whole or of pieces of them as guides quote them."""
    try:
        found = [json.loads(text)]
    except (ValueError, RecursionError):
        found = list(_fragments(text))
    return [run for each in found if isinstance(each, Mapping) and (run := _summary(each))]


def _summary(found: Mapping[str, Any]) -> Run | None:
    tables = {name: found[name] for name in TIMES if isinstance(found.get(name), Mapping)}
    times = {name: each for name, table in tables.items() if (each := _statistics_of(table))}
    if not times and found.get("throughput") is None:
        return None
    run = Run(times, number(str(found.get("throughput"))))
    calls = found.get("npu_compute_time_list")
    run.overlapping = isinstance(calls, list) and bool(calls) and isinstance(calls[0], list)
    run.old = bool(tables) and not any("count" in table for table in tables.values())
    return run


def _fragments(text: str) -> Iterator[dict[str, Any]]:
    """Yield the summaries that pieces in a text are of; what comes a second time begins the next one."""
    found: dict[str, Any] = {}
    for match in _FRAGMENT.finditer(text):
        name = match[1] or "throughput"
        try:
            value = json.loads(match[2]) if match[1] else match[3]
        except ValueError:
            continue
        if name in found:
            yield found
            found = {}
        found[name] = value
    yield found


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
        run.derived = True
