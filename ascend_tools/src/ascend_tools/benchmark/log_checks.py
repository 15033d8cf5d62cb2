"""Where a printout contradicts itself: figures that do not follow from each other as its tool computes them.

What the rounding of printed digits explains is no contradiction. Every check returns what it found wrong, in words with
both numbers, or None where a part of it is not printed.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator, Mapping
from itertools import pairwise
from statistics import fmean

from common.npu_tools import ais, benchmark_tool, msame, trtexec

Findings = list[str] | None  # None: nothing could be compared
_LOOSE = 1e-3  # of what was retyped, and of figures that a tool computes before it rounds
# The mean of rates is not one by the mean of times: in real runs of pure inference up to 2 % apart.
_MEANS = 0.05
_SHORTEST = 5e-6  # of a number: what the six digits leave open that C++ prints where nobody asks for more
_BY_TIME = "1000 / moduleLatency of [infer]"


def slack(value: float) -> float:
    """Return how far a printed number may be from what it stands for: half of its last digit, of six at most."""
    decimals = repr(value).partition("e")[0].partition(".")[2]
    return max(0.5 * 10.0 ** -len(decimals) if "e" not in repr(value) else 0.0, _SHORTEST * abs(value))


def close(expected: float, found: float, *parts: float) -> bool:
    """Tell whether two figures agree, where `parts` are the printed numbers that `expected` is computed from."""
    if not (expected > 0 and found > 0):
        return expected == found
    loose = sum(slack(each) / abs(each) for each in (*parts, found) if each)
    return abs(expected - found) <= max(loose, _LOOSE) * max(expected, found)


def order(times: Mapping[str, float], what: str = "", *, overlapping: bool = False) -> list[str]:
    """Return where least, median, percentiles and most are out of order, or a mean is not between least and most."""
    of = f"{what}: " if what else ""
    percents = sorted((float(name[1:]), name) for name in times if name[0] == "p")
    names = ["min", "median", *(name for percent, name in percents if percent > 50), "max"]
    there = [name for name in names if name in times]
    found = [
        f"{of}{first} {times[first]:g} ms is above {then} {times[then]:g} ms"
        for first, then in pairwise(there)
        if times[first] > times[then] + slack(times[first]) + slack(times[then])
    ]
    mean = times.get("mean")
    if mean is not None and not overlapping:
        least, most = times.get("min", mean), times.get("max", mean)
        room = slack(mean) + max(slack(least), slack(most))
        if not least - room <= mean <= most + room:
            found.append(f"{of}expected a mean from {least:g} to {most:g} ms, found {mean:g}")
    return found


def ais_run(run: ais.Run) -> Findings:
    """Check the throughput by its formula, and the times."""
    found = [
        problem
        for name, times in run.times.items()
        for problem in order(times, name, overlapping=run.overlapping or _overlaps(run))
    ]
    table = run.times.get(ais.COMPUTE, {}).get("mean")
    if table is not None and run.mean_ms is not None and not close(table, run.mean_ms, table):
        found.append(
            f"{ais.COMPUTE}: mean {table:g} ms, and {run.mean_ms:g} ms in the line of the throughput"
        )
    if run.consistent is False and run.throughput is not None and run.mean_ms is not None:
        size = run.batch_size or 0
        rate = 1000 * size / run.mean_ms if run.mean_ms else float("inf")
        whole = "the nearest whole " if run.derived else ""
        found.append(
            f"throughput: expected {rate:.7g} = 1000 x {whole}batch size {size:g} / mean {run.mean_ms:.7g} ms, "
            f"found {run.throughput:.7g}"
        )
    return found or (None if run.consistent is None else [])


def _overlaps(run: ais.Run) -> bool:
    """Tell whether calls of several threads overlap: the mean is then below the least, and the throughput follows it."""
    times = run.times.get(ais.COMPUTE, {})
    return run.consistent is True and times.get("mean", 0.0) < times.get("min", 0.0) and not run.derived


def ais_devices(log: ais.Log) -> Findings:
    """Check the figures of several devices against their sum, and against their own summaries."""
    found, is_compared = [], False
    told: dict[int, list[float]] = {}
    for call in log.several:
        rates = [rate for _, rate in call.told.values()]
        for device, rate in call.told.values():
            told.setdefault(device, []).append(rate)
        is_compared |= bool(rates) and call.total is not None
        if rates and call.total is not None and not close(sum(rates), call.total, *rates):
            found.append(
                f"summary throughput: expected {sum(rates):.7g}, the sum of the devices, found {call.total:.7g}"
            )
    told = {device: sorted(rates) for device, rates in told.items()}
    for run in log.runs:
        said = told.get(-1 if run.device is None else run.device)
        if said and run.throughput is not None:
            at = bisect(said, run.throughput)
            near = min(said[max(at - 1, 0) : at + 1], key=lambda rate: abs(rate - (run.throughput or 0.0)))
            if not close(run.throughput, near, run.throughput):
                found.append(
                    f"device {run.device}: expected throughput {run.throughput:.7g} as in its summary, found {near:.7g}"
                )
    return found or ([] if is_compared else None)


def images_per_query(run: trtexec.Run) -> int | None:
    """Return the whole number, 2 or more, by which the printed throughput is above queries by their time, where it is one.

    It is the batch size of a network with an implicit batch, whose images are counted, where nothing else tells it.
    """
    rate = run.queries_per_second
    if not rate or not run.throughput or run.batch_size:
        return None
    times = run.throughput / rate
    whole = round(times) if times < 1e6 else 0
    return whole if whole > 1 and close(whole * rate, run.throughput, run.walltime_s or 0.0) else None


def msame_run(run: msame.Run) -> Findings:
    """Check the means against the times of the single batches, where all of these are printed."""
    if len(run.calls) < 2 or run.average_ms is None:
        return None
    first, *others = run.calls
    without = run.average_without_first_ms
    if without is not None and not close(run.average_ms, without, run.average_ms):
        count = (first - without) / (run.average_ms - without)  # of which the first one is a part
        if count > len(run.calls) + 0.5:  # lines were left out
            return None
    pairs = [("", fmean(run.calls), run.average_ms)]
    pairs += [(" without first time", fmean(others), without)] if without is not None else []
    return [
        f"Inference average time{of}: expected {mean:.6g} ms, the mean of the batches' times, found {found:.6g}"
        for of, mean, found in pairs
        if not close(mean, found, *run.calls)
    ]


def trtexec_run(run: trtexec.Run) -> Findings:
    """Check queries per second by the count and the time of all, and the times."""
    found = [problem for name, times in run.times.items() for problem in order(times, name)]
    compared = False
    if run.throughput is not None and run.queries and run.walltime_s:
        compared = True
        times = images_per_query(run) or (run.batch_size or 1 if run.implicit else 1)
        rate = times * run.queries / run.walltime_s
        room = 1 + (0 if run.counted else 1 / run.queries)  # a count that is derived may be one off
        near = rate / room <= run.throughput <= rate * room
        if not near and not close(rate, run.throughput, run.walltime_s):
            queries = f"{run.queries} queries in {run.walltime_s:g} s" + (
                f" of {times} images each" if times > 1 else ""
            )
            found.append(f"throughput: expected {rate:.6g} qps = {queries}, found {run.throughput:.6g}")
    if run.counted and run.compute_s and run.mean_ms and not run.averages:
        compared = True
        whole = run.counted * run.mean_ms / 1000
        if not close(whole, run.compute_s, run.mean_ms):
            found.append(
                f"total compute time: expected {whole:.6g} s = {run.counted} queries x {run.mean_ms:g} ms, "
                f"found {run.compute_s:.6g}"
            )
    return found or ([] if compared else None)


def benchmark_run(run: benchmark_tool.Run) -> Findings:
    """Check rates against times, and that no rate of the whole is above one of its parts."""
    # each check is a sentence, or an empty one where the figures agree
    checks = [*_pure(run), *_stages(run), *_rates(run)]
    return [each for each in checks if each] if checks else None


def _pure(run: benchmark_tool.Run) -> Iterator[str]:
    """Check the mean rate of pure inference against the mean time."""
    figures = run.figures.get(benchmark_tool.PURE, {})
    rate, latency = figures.get("ave_throughputRate"), figures.get("ave_latency_ms_per_sample")
    if not rate or not latency:
        return
    by_time = 1000 / latency
    near = abs(rate - by_time) <= _MEANS * by_time or close(by_time, rate, latency)
    yield (
        ""
        if near
        else f"ave_throughputRate: expected {by_time:.6g} = 1000 / ave_latency {latency:g} ms, found {rate:.6g}"
    )


def _stages(run: benchmark_tool.Run) -> Iterator[str]:
    """Check what a stage says twice; but for [infer], whose rate has waiting in it and whose time has none."""
    for label in ("data read", "preprocess", "post"):
        figures = run.figures.get(label, {})
        rate, latency = figures.get("throughputRate"), figures.get("moduleLatency")
        if rate and latency:
            yield (
                ""
                if close(1000 / latency, rate, latency)
                else (
                    f"[{label}] throughputRate: expected {1000 / latency:.6g} = 1000 / moduleLatency {latency:g} ms, "
                    f"found {rate:.6g}"
                )
            )


def _rates(run: benchmark_tool.Run) -> Iterator[str]:
    """Check that what has more in it is not faster: all stages, then the network with its copies, then it alone."""
    infer = run.figures.get("infer", {})
    rates = {label: figures.get("throughputRate", 0.0) for label, figures in run.figures.items()}
    rates["Interface"] = infer.get("Interface throughputRate", 0.0)
    rates[_BY_TIME] = 1000 / infer["moduleLatency"] if infer.get("moduleLatency") else 0.0
    pairs = [("infer", _BY_TIME), (_BY_TIME, "Interface")]
    # Where a stage's rate is by its busy seconds, as common.infer's is, several threads of it may be slower than the whole.
    if not close(rates[_BY_TIME], rates.get("infer", 0.0), rates[_BY_TIME]):
        pairs += [("e2e", "data read"), ("e2e", "preprocess"), ("e2e", "infer")]
    for whole, part in pairs:
        low, high = rates.get(whole, 0.0), rates.get(part, 0.0)
        if low > 0 and high > 0:
            yield (
                ""
                if low <= high or close(high, low, high)
                else (f"expected {whole} at most as fast as {part}, {high:.6g}, found {low:.6g}")
            )
