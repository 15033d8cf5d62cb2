"""What NVIDIA's `trtexec` prints of its performance, which the guides measure GPUs with; TensorRT 7 to 10.

TensorRT 7 prints a heading ("GPU Compute") and a line for each statistic, later versions one line ("GPU Compute Time:
min = ..."). The times are those of a batch.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from common.npu_tools.printouts import NUMBER, lines, number, size

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
_PREFIX = re.compile(r"^(?:\[[0-9/:.\s-]+\]\s*)?(?:\[[VIWE]\]\s*)?(?:\[TRT\]\s*)?")
_ONE_LINE = re.compile(r"([\w -]+?):\s*(min\s*=.*)", re.IGNORECASE)
_STATISTIC = re.compile(rf"\b(min|max|mean|median)\s*[:=]\s*({NUMBER})\s*ms", re.IGNORECASE)
_PERCENTILE = re.compile(
    rf"\bpercentile(?:\(([0-9]{{1,2}})%\)\s*=\s*({NUMBER})\s*ms|:\s*({NUMBER})\s*ms at ([0-9]{{1,2}})%)",
    re.IGNORECASE,
)
_TOTALS = {
    "throughput": re.compile(rf"throughput:\s*({NUMBER})\s*qps", re.IGNORECASE),
    "walltime_s": re.compile(rf"(?:total host )?walltime:\s*({NUMBER})\s*s\b", re.IGNORECASE),
    "compute_s": re.compile(rf"total (?:gpu )?compute time:\s*({NUMBER})\s*s\b", re.IGNORECASE),
}
_BANNER = re.compile(r"&&&&\s*(RUNNING|PASSED|FAILED)\s+TensorRT\.trtexec(?:\s*\[TensorRT v([0-9]{4,7})\])?")
_BATCH = re.compile(r"--batch=([0-9]{1,9})(?![0-9])")
_SHAPES = re.compile(r"--shapes=(\S+)|Input inference shape\s*:\s*(\S+)")
_LEADING = re.compile(r"[:=]'?\"?([0-9]{1,9})x")


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
    """

    times: dict[str, dict[str, float]] = field(default_factory=dict)
    throughput: float | None = None
    walltime_s: float | None = None
    compute_s: float | None = None
    result: str | None = None
    tensorrt: str | None = None
    batch_size: int | None = None

    @property
    def mean_ms(self) -> float | None:
        """Mean milliseconds that the GPU computed a batch."""
        return self.times.get(COMPUTE, {}).get("mean")

    @property
    def queries(self) -> int | None:
        """How many batches were measured."""
        count = 1000 * self.compute_s / self.mean_ms if self.compute_s and self.mean_ms else 0.0
        return round(count) if 0 < count < math.inf else None

    @property
    def queries_per_second(self) -> float | None:
        """Batches per second of the whole measurement, which do not depend on what is printed as throughput."""
        return self.queries / self.walltime_s if self.queries and self.walltime_s else None


def parse(text: str) -> list[Run]:
    """Return the runs in a log, in their order; one that failed has no times."""
    runs: list[Run] = []
    section = ""
    batch_size: int | None = None
    ended = True
    for raw in lines(text):
        line = _PREFIX.sub("", raw).strip()
        banner = _BANNER.search(line)
        if banner and banner[1] == "RUNNING":
            batch_size, section, ended = None, "", True
        batch_size = _batch_size(line) or batch_size
        found = _read(line, section)
        heading = _SECTIONS.get(line.lower().rstrip(":"))
        section = heading or section
        if not found and not (banner and banner[1] != "RUNNING"):
            continue
        if ended or (found and _repeats(runs[-1], found)):
            runs.append(Run())
            ended = False
        run = runs[-1]
        run.batch_size = batch_size or run.batch_size
        for name, value in found.items():
            if isinstance(value, dict):
                run.times.setdefault(name, {}).update(value)
            else:
                setattr(run, name, value)
        if banner:
            run.result, run.tensorrt = banner[1], _version(banner[2])
            batch_size, ended = None, True
    return runs


def _read(line: str, section: str) -> dict[str, float | dict[str, float]]:
    """Return what one line says: statistics by what is timed, or a figure of the whole."""
    for name, pattern in _TOTALS.items():
        total = pattern.fullmatch(line)
        if total and (value := number(total[1])) is not None:
            return {name: value}
    one = _ONE_LINE.fullmatch(line)
    if one:
        timed = _SECTIONS.get(one[1].strip().lower())
        return {timed: _statistics(one[2])} if timed else {}
    statistics = (
        _statistics(line) if section and re.match(r"(?:min|max|mean|median|percentile)\s*:", line) else {}
    )
    return {section: statistics} if statistics else {}


def _statistics(text: str) -> dict[str, float]:
    own = text.partition("(end to end")[0]
    found = {match[1].lower(): number(match[2]) for match in _STATISTIC.finditer(own)}
    for match in _PERCENTILE.finditer(text):
        found[f"p{match[1] or match[4]}"] = number(match[2] or match[3])
    return {name: value for name, value in found.items() if value is not None}


def _repeats(run: Run, found: dict[str, float | dict[str, float]]) -> bool:
    """Whether a line says again what a run already has: then it is the next run's."""
    return any(
        bool(run.times.get(name, {}).keys() & value.keys())
        if isinstance(value, dict)
        else getattr(run, name) is not None
        for name, value in found.items()
    )


def _batch_size(line: str) -> int | None:
    """Return the batch size that a command line or an option says, where all inputs have the same."""
    if batch := _BATCH.search(line):
        return size(batch[1])
    leading = {
        each for match in _SHAPES.finditer(line) for each in _LEADING.findall(match[1] or f"={match[2]}")
    }
    return size(leading.pop()) if len(leading) == 1 else None


def _version(digits: str | None) -> str | None:
    """Return 10.9.0 for v100900 and 8.4.1 for v8401: from TensorRT 10 on each part has two digits."""
    if digits is None:
        return None
    value = int(digits)
    if len(digits) > 4:
        return f"{value // 10000}.{value // 100 % 100}.{value % 100}"
    return f"{value // 1000}.{value // 100 % 10}.{value % 100}"
