"""What NVIDIA's `trtexec` prints of its performance, which the guides measure GPUs with; TensorRT 2 to 10 and RTX.

TensorRT 7 prints a heading ("GPU Compute") and a line for each statistic, later versions one line ("GPU Compute Time:
min = ..."), earlier ones a mean for every few calls. The times are those of a batch.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from statistics import fmean

from common.npu_tools.printouts import NUMBER, lines, number
from common.npu_tools.trtexec_batch import Batch

COMPUTE = "GPU Compute Time"
_SECTIONS = {
    "host latency": "Latency",
    "latency": "Latency",
    "end-to-end host latency": "End-to-End Host Latency",
    "enqueue time": "Enqueue Time",
    "h2d latency": "H2D Latency",
    "d2h latency": "D2H Latency",
    "gpu compute": COMPUTE,
    "gpu compute time": COMPUTE,
}
# What programs put before a line, the last of it "[I]" and its kin; else the time alone.
_PREFIX = re.compile(r"^(?:.{0,200}?\[[VIWEF]\]\s*|\[[0-9/:.\s-]+\]\s*)(?:\[TRT\]\s*)?")
_ONE_LINE = re.compile(r"([\w -]+?):\s*(min\s*=.*)", re.IGNORECASE)
_STATISTIC = re.compile(rf"\b(min|max|mean|median)\s*[:=]\s*({NUMBER})\s*ms", re.IGNORECASE)
_ALONE = re.compile(r"(?:min|max|mean|median|percentile)\b")
_PERCENT = r"([0-9]{1,2}(?:\.[0-9]{1,4})?)%"
_PERCENTILE = re.compile(
    rf"\bpercentile(?:\({_PERCENT}\)\s*=\s*({NUMBER})\s*ms|:\s*({NUMBER})\s*ms at {_PERCENT})",
    re.IGNORECASE,
)
_TOTALS = {
    "throughput": re.compile(rf"throughput:\s*({NUMBER})\s*qps", re.IGNORECASE),
    "walltime_s": re.compile(rf"(?:total host )?walltime:\s*({NUMBER})\s*s\b", re.IGNORECASE),
    "compute_s": re.compile(rf"total (?:gpu )?compute time:\s*({NUMBER})\s*s\b", re.IGNORECASE),
}
_UNSTABLE = re.compile(rf"unstable, with coefficient of variance = ({NUMBER})\s*%")
_QUERIES = re.compile(rf"Timing trace has ([0-9]{{1,12}}) queries over ({NUMBER})\s*s")
_TRACE = re.compile(rf"Average on [0-9]{{1,9}} runs - GPU latency: ({NUMBER}) ms")  # TensorRT 7 and later
_AVERAGE = re.compile(rf"Average over ([0-9]{{1,9}}) runs is ({NUMBER}) ms", re.IGNORECASE)  # earlier ones
_BANNER = re.compile(
    r"&&&&\s*(RUNNING|PASSED|FAILED)\s+\S*(?:trtexec|giexec|tensorrt[_-]rtx)\S*"
    r"(?:\s*\[TensorRT(?:[-_ ]RTX)? v([0-9]{4,7}|[0-9.]{3,12})\])?",
    re.IGNORECASE,
)
_VERSION = re.compile(r"TensorRT version:\s*([0-9]{1,3}(?:\.[0-9]{1,4}){1,3})$", re.IGNORECASE)
_STREAMS = re.compile(r"(?:--(?:infS|s)treams=|Streams:\s*)([0-9]{1,4})(?![0-9])")


@dataclass
class Run:
    """One call of trtexec.

    Attributes:
        times: statistics of a batch in milliseconds ("min", "mean", "p99", ...) by what is timed.
        throughput: batches ("queries") per second as printed; TensorRT 7 prints 0 at times.
        walltime_s: seconds of the measurement.
        compute_s: seconds that the GPU computed in it.
        result: "PASSED" or "FAILED", where it is printed.
        tensorrt: TensorRT's version, where it is printed.
        batch_size: as the command line or the inference options say.
        implicit: whether the network has no axis of its own for the batch; the throughput then counts images.
        streams: how many batches are computed at the same time, where it is printed.
        counted: how many batches were measured, where it is printed.
        averages: of early versions, which print nothing else: mean milliseconds of every few calls.
        unstable_pct: the coefficient of variance of the GPU's times, where trtexec finds it too high.
        warnings: what else trtexec says of the figures.
    """

    times: dict[str, dict[str, float]] = field(default_factory=dict)
    throughput: float | None = None
    walltime_s: float | None = None
    compute_s: float | None = None
    result: str | None = None
    tensorrt: str | None = None
    batch_size: int | None = None
    implicit: bool = field(default=False, compare=False)
    streams: int | None = field(default=None, compare=False)
    counted: int | None = field(default=None, compare=False)
    averages: list[float] = field(default_factory=list, compare=False)
    unstable_pct: float | None = field(default=None, compare=False)
    warnings: list[str] = field(default_factory=list, compare=False)

    @property
    def mean_ms(self) -> float | None:
        """Mean milliseconds that the GPU computed a batch."""
        mean = self.times.get(COMPUTE, {}).get("mean")
        return fmean(self.averages) if mean is None and self.averages else mean

    @property
    def queries(self) -> int | None:
        """How many batches were measured."""
        if self.counted is not None:
            return self.counted
        count = 1000 * self.compute_s / self.mean_ms if self.compute_s and self.mean_ms else 0.0
        return round(count) if 0 < count < math.inf else None

    @property
    def queries_per_second(self) -> float | None:
        """Batches per second of the whole measurement, which do not depend on what is printed as throughput."""
        return self.queries / self.walltime_s if self.queries and self.walltime_s else None


class _About:
    """What is said of a run before its first figure, and of all of them by the banner at the end."""

    def __init__(self) -> None:
        self.batch, self.section = Batch(), ""
        self.tensorrt: str | None = None
        self.streams: int | None = None
        self.counted: int | None = None

    def note(self, line: str) -> None:
        self.batch.note(line)
        self.section = _SECTIONS.get(line.lower().rstrip(": "), self.section)
        if any(total.fullmatch(line) for total in _TOTALS.values()):
            self.section = ""  # the last line of a section, as version 7 prints it
        if version := _VERSION.search(line):
            self.tensorrt = version[1]
        if streams := _STREAMS.search(line):
            self.streams = int(streams[1])
        if queries := _QUERIES.search(line):
            self.counted = int(queries[1]) or None  # version 7 says 0 where it says 0 qps

    def tell(self, run: Run) -> None:
        run.batch_size = self.batch.size or run.batch_size
        run.implicit = self.batch.implicit or run.implicit
        run.tensorrt = run.tensorrt or self.tensorrt
        run.streams = run.streams or self.streams
        run.counted = self.counted if run.counted is None else run.counted


def parse(text: str) -> list[Run]:
    """Return the runs in a log, in their order; one that failed has no times."""
    runs: list[Run] = []
    about = _About()
    ended = True
    for raw in lines(text):
        line = _PREFIX.sub("", raw).strip()
        banner = _BANNER.search(line)
        if banner and banner[1].upper() == "RUNNING":
            about, ended = _About(), True
            about.tensorrt = _version(banner[2])
        about.note(line)
        found = _read(line, about.section)
        if runs and not ended:
            _warn(runs[-1], line)
        if not found and not (banner and banner[1].upper() != "RUNNING"):
            continue
        if ended or (found and _repeats(runs[-1], found)):
            runs.append(Run())
            ended = False
        _add(runs[-1], found)
        about.tell(runs[-1])
        if banner:
            runs[-1].result = banner[1].upper()
            runs[-1].tensorrt = _version(banner[2]) or runs[-1].tensorrt
            about, ended = _About(), True
    return runs


def trace(text: str) -> list[float]:
    """Return the mean milliseconds of every few calls that are printed before the summary, of a log cut off, too."""
    found = (_TRACE.search(line) for line in lines(text))
    return [value for each in found if each and (value := number(each[1])) is not None]


Found = dict[str, float | dict[str, float]]


def _read(line: str, section: str) -> Found:
    """Return what one line says: statistics by what is timed, or a figure of the whole."""
    for name, pattern in _TOTALS.items():
        total = pattern.fullmatch(line)
        if total and (value := number(total[1])) is not None:
            return {name: value}
    if (average := _AVERAGE.search(line)) and (mean := number(average[2])) is not None:
        return {"average": mean}
    one = _ONE_LINE.fullmatch(line)
    if one:
        timed = _SECTIONS.get(one[1].strip().lower())
        return {timed: _statistics(one[2])} if timed else {}
    statistics = _statistics(line) if section and _ALONE.match(line) else {}
    return {section: statistics} if statistics else {}


def _statistics(text: str) -> dict[str, float]:
    own = text.partition("(end to end")[0]
    found = {match[1].lower(): number(match[2]) for match in _STATISTIC.finditer(own)}
    for match in _PERCENTILE.finditer(text):
        found[f"p{match[1] or match[4]}"] = number(match[2] or match[3])
    return {name: value for name, value in found.items() if value is not None}


def _repeats(run: Run, found: Found) -> bool:
    """Whether a line says again what a run already has: then it is the next run's."""
    return any(
        bool(run.times.get(name, {}).keys() & value.keys())
        if isinstance(value, dict)
        else name != "average" and getattr(run, name) is not None
        for name, value in found.items()
    )


def _add(run: Run, found: Found) -> None:
    for name, value in found.items():
        if isinstance(value, dict):
            run.times.setdefault(name, {}).update(value)
        elif name == "average":
            run.averages.append(value)
        else:
            setattr(run, name, value)


def _warn(run: Run, line: str) -> None:
    if unstable := _UNSTABLE.search(line):
        run.unstable_pct = number(unstable[1])
    elif line.startswith("* "):
        run.warnings.append(line[2:])


def _version(digits: str | None) -> str | None:
    """Return 10.9.0 for v100900 and 8.4.1 for v8401: from TensorRT 10 on each part has two digits."""
    if digits is None or "." in digits:
        return digits
    value = int(digits)
    if len(digits) > 4:
        return f"{value // 10000}.{value // 100 % 100}.{value % 100}"
    return f"{value // 1000}.{value // 100 % 10}.{value % 100}"
