"""The runs that a printout of a tool tells of, in the same terms for all tools: what a row of the table is made from.

The readers of `common.npu_tools` read; what is made of their figures stands here. Latencies are milliseconds of a batch,
but of the vendor's `benchmark`, which prints those of an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any

from ascend_tools.benchmark import log_checks
from common.npu_tools import ais, benchmark_tool, measured, msame, trtexec
from common.report.throughput import batch_rate

_OUTLIER = 3  # times the mean; one such call of a hundred makes the mean 2 % too long


@dataclass
class Run:
    """One run on one device.

    Attributes:
        tool: the program that printed it.
        batch_size: images per call, a mean where sizes differ, None where nothing tells it; `told` where it is printed and
            not derived from other figures.
        derived: the batch size that figures tell which depend on it in part, for want of better.
        rate: images per second as printed.
        batch_ms: mean milliseconds of a batch, where images per second are counted from them.
        latency_ms: what is printed of "min", "max", "mean", "median" and percentiles as "p99".
        findings: where the figures contradict each other; None where none could be compared.
        notes: what a reader of the figures has to know.
        more: the tool's own further figures, by its names.
    """

    tool: str
    batch_size: float | None = None
    told: bool = False
    derived: int | None = None
    rate: float | None = None
    batch_ms: float | None = None
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    device: int | None = None
    pure: bool = False
    findings: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def throughput(self) -> float | None:
        """Images per second; where nothing tells the batch size, as for a batch of one."""
        if self.batch_ms:
            return batch_rate(self.batch_ms, 1) * (self.batch_size or 1)
        return self.rate

    @property
    def consistent(self) -> bool | None:
        """Whether the figures follow from each other; None where none could be compared."""
        return None if self.findings is None else not self.findings

    @property
    def usable(self) -> bool:
        """Whether nothing contradicts images per second; those of trtexec are by the times, not by what it prints."""
        return not (log_checks.order(self.latency_ms) if self.tool == "trtexec" else self.findings)


def runs_of(text: str, printed: ais.Log) -> list[Run]:
    """Return the runs in a printout, in the order of the tools and for each tool in that of the text.

    Args:
        text: its telling lines.
        printed: what ais_bench printed in it.
    """
    others = (run for read in (_msame, _trtexec, _evaluation) for run in read(text))
    return [*_benchmark(text), *_ais(text, printed), *others]


def _ais(text: str, log: ais.Log) -> Iterator[Run]:
    named, pure = "ais_infer.py" in text, "pure_infer_data" in text
    for each in log.runs:
        times = each.times.get(ais.COMPUTE, {})
        latency = times or ({} if each.mean_ms is None else {"mean": each.mean_ms})
        fits = not (each.derived and each.consistent is False)
        size = each.batch_size if fits else None
        tool = "ais_infer" if each.old or named else "ais_bench"
        run = Run(tool, size, not each.derived, rate=each.throughput)
        run.latency_ms, run.device, run.findings = latency, each.device, log_checks.ais_run(each)
        run.pure = pure
        if each.throughput is None:
            run.batch_ms = each.mean_ms
        if each.overlapping:
            run.notes.append("calls of several threads overlap: mean is the busy time by the number of calls")
        run.more = {**each.times, **({} if each.mean_ms is None else {"throughput_mean_ms": each.mean_ms})}
        run.notes += _outlier(times, size)
        yield run


def _benchmark(text: str) -> Iterator[Run]:
    for each in benchmark_tool.parse(text):
        size = each.batch_size
        run = Run("benchmark", size, size is not None, rate=each.chip_rate)
        run.device, run.pure = each.device, each.pure
        run.derived = _by_rates(each)
        pure = each.figures.get(benchmark_tool.PURE, {})
        mean = pure.get("ave_latency_ms_per_sample", each.figures.get("infer", {}).get("moduleLatency"))
        run.latency_ms = {} if mean is None else {"mean": mean}
        run.findings = log_checks.benchmark_run(each)
        run.more = {**each.figures, **({} if each.chip_rate is None else {"chip_throughput": each.chip_rate})}
        run.more["latency_of"] = "image"
        if images := _images(each):
            run.more["images"] = images
        if each.calls:
            run.more["calls_ms"] = _summary(list(each.calls.values()))
        if each.chip_rate is None:
            run.notes.append("cut off: the rate of [infer] is missing")
        yield run


def _by_rates(run: benchmark_tool.Run) -> int | None:
    """Return the batch size that the rates tell: [e2e] counts images, [post] batches, which are a little ahead of it."""
    whole, post = (run.figures.get(label, {}).get("throughputRate") for label in ("e2e", "post"))
    if not whole or not post or "Interface throughputRate" not in run.figures.get("infer", {}):
        return None
    near = [size for size in (1, 2, 4, 8, 16, 32, 64, 128) if 0.97 * size <= whole / post <= 1.002 * size]
    return near[0] if near else None


def _images(run: benchmark_tool.Run) -> int | None:
    """Return how many images went through: by rate and time of the whole."""
    figures = run.figures.get("e2e", {})
    count = figures.get("throughputRate", 0.0) * figures.get("latency", 0.0) / 1000
    return round(count) if 1 <= count < 1e12 else None


def _msame(text: str) -> Iterator[Run]:
    for each in msame.parse(text):
        run = Run("msame", each.batch_size, each.batch_size is not None, batch_ms=each.batch_ms)
        run.device, run.pure = each.device, each.pure
        run.latency_ms = {} if each.average_ms is None else {"mean": each.average_ms}
        run.more = {"average_ms": each.average_ms, "average_without_first_ms": each.average_without_first_ms}
        if each.calls:
            run.more["calls_ms"] = _summary(each.calls)
        if each.average_without_first_ms is not None:
            run.notes.append("throughput by the mean without the first call, which warms up")
        run.findings = log_checks.msame_run(each)
        if not each.batch_ms:
            run.findings = [f"Inference average time: expected more than 0 ms, found {each.batch_ms}"]
        yield run


def _trtexec(text: str) -> Iterator[Run]:
    for each in trtexec.parse(text):
        mean = each.mean_ms
        counted = log_checks.images_per_query(each)  # in what is printed as throughput
        run = Run("trtexec", each.batch_size, each.batch_size is not None, counted, batch_ms=mean, pure=True)
        times = each.times.get(trtexec.COMPUTE, {})
        run.latency_ms = times or ({} if mean is None else {"mean": mean})
        run.findings = log_checks.trtexec_run(each)
        images = 1 if each.implicit or counted else each.batch_size or 1
        printed = each.throughput
        if mean is None and printed:
            run.rate = printed * images
            run.notes.append(
                "throughput by the printed queries per second: the mean GPU compute time is missing"
            )
        told = {
            "throughput_qps_printed": printed,
            "images_per_second_printed": None if printed is None else printed * images,
            "qps_derived": each.queries_per_second,
            "queries_derived": each.queries,
            "walltime_s": each.walltime_s,
            "gpu_total_s": each.compute_s,
            "result": each.result,
            "tensorrt": each.tensorrt,
            "streams": each.streams,
            "unstable_pct": each.unstable_pct,
        }
        run.more = {**each.times, **{name: value for name, value in told.items() if value is not None}}
        run.more |= {"implicit_batch": True} if each.implicit else {}
        run.more |= {"warnings": each.warnings} if each.warnings else {}
        run.notes += [*each.warnings, *_remarks(each), *_outlier(times, each.batch_size)]
        yield run


def _remarks(run: trtexec.Run) -> Iterator[str]:
    if run.unstable_pct is not None:
        yield f"GPU compute time is unstable, with coefficient of variance = {run.unstable_pct:g} %"
    if run.implicit and run.throughput and run.batch_size and run.batch_size > 1:
        yield "the network has an implicit batch: the printed qps counts images"
    if run.streams and run.streams > 1:
        yield f"{run.streams} streams at a time: the time of one batch is not that between two of them"
    if run.averages:
        yield f"the mean of {len(run.averages)} means, all that this version prints"


def _evaluation(text: str) -> Iterator[Run]:
    return (Run("evaluate.py", rate=rate) for rate in measured.evaluations(text))


def _outlier(times: Mapping[str, float], batch_size: float | None) -> list[str]:
    mean, most, middle = (times.get(name, 0.0) for name in ("mean", "max", "median"))
    if not mean or most <= _OUTLIER * mean:
        return []
    told = f"the slowest call took {most / mean:.1f} times the mean, which counts it"
    if batch_size and middle:
        told += f"; by the median it is {batch_rate(middle, 1) * batch_size:.6g} images/s"
    return [f"{told}: warm up before measuring"]


def _summary(calls: Sequence[float]) -> dict[str, float]:
    return {
        "count": len(calls),
        "min": min(calls),
        "max": max(calls),
        "mean": fmean(calls),
        "median": median(calls),
    }
