"""What `trtexec` prints, in the forms of TensorRT 7, 8.4 and 10.9.

TensorRT 7 has a heading and a line for each statistic, later versions one line; 10 has more percentiles.
"""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ascend_tools.rehearse import faults, slowness
from common.errors import GuideError

VARIABLE = "REHEARSAL_TRTEXEC"
_VERSIONS = {"7": "v7000", "8": "v8401", "10": "v100900"}
_BOUND = (
    "* Throughput may be bound by Enqueue Time rather than GPU Compute and the GPU may be under-utilized.",
    "  If not already in use, --useCudaGraph (utilize CUDA graphs where possible) may increase the throughput.",
)
Times = NDArray[np.float64]


def generation() -> str:
    """Return the version of TensorRT whose printouts are made: 7, 8 or 10, as the environment says."""
    chosen = os.environ.get(VARIABLE, "8")
    if chosen not in _VERSIONS:
        raise GuideError(f"{VARIABLE}: expected {', '.join(_VERSIONS)}, found {chosen!r}.")
    return chosen


def banner(state: str, words: Sequence[str], release: str) -> str:
    """Return the line of a call that is RUNNING, has PASSED or has FAILED."""
    return f"&&&& {state} TensorRT.trtexec [TensorRT {_VERSIONS[release]}] # trtexec {shlex.join(words)}".rstrip()


def line(text: str, level: str = "I") -> str:
    """Return a line as all are but the banners: with date, time and level."""
    return f"[{time.strftime('%m/%d/%Y-%H:%M:%S')}] [{level}] {text}"


def averages(compute: Times, host: Times, runs: int) -> list[str]:
    """Return the line of each group of so many runs, milliseconds."""
    found = []
    for at in range(0, len(compute), runs):
        some, all_of_it = compute[at : at + runs], host[at : at + runs]
        found.append(
            f"Average on {len(some)} runs - GPU latency: {some.mean():g} ms - Host latency: {all_of_it.mean():g} ms "
            f"(enqueue {some.mean():g} ms)"
        )
    return found


def summary(times: Mapping[str, Times], wall: float, percentiles: Sequence[float], release: str) -> list[str]:
    """Return the performance summary: the batches' milliseconds by what is timed, seconds of all; as [I] or [W] lines."""
    compute, count = times["GPU Compute Time"], len(times["GPU Compute Time"])
    old = release == "7"
    shown = [
        ("Latency", "Host Latency"),
        ("Enqueue Time", "Enqueue Time"),
        ("H2D Latency", ""),
        ("GPU Compute Time", "GPU Compute"),
        ("D2H Latency", ""),
    ]
    rate = 0.0 if faults.is_asked("trtexec:0-qps") else slowness.printed(count / wall)
    lines = ["=== Performance summary ==="] + ([] if old else [f"Throughput: {rate:g} qps"])
    for name, heading in shown:
        if not old:
            lines.append(f"{name}: {_statistics(times[name], percentiles)}")
        elif heading:
            lines += _block(heading, times[name], percentiles, f"throughput: {rate:g} qps", wall)
    if not old:
        lines += [f"Total Host Walltime: {wall:g} s", f"Total GPU Compute Time: {compute.sum() / 1000:g} s"]
    printed = [line(text) for text in lines]
    if not old:  # a call of ONNX Runtime returns when it has computed
        printed += [line(text, "W") for text in _BOUND]
        printed.append(line("Explanations of the performance metrics are printed in the verbose logs."))
    return printed


def _statistics(values: Times, percentiles: Sequence[float]) -> str:
    found = [f"{name} = {value:g} ms" for name, value in _figures(values)]
    return ", ".join(found + [f"percentile({p:g}%) = {_percentile(values, p):g} ms" for p in percentiles])


def _block(heading: str, values: Times, percentiles: Sequence[float], rate: str, wall: float) -> list[str]:
    """Return TensorRT 7's lines of one thing that is timed."""
    lines = [
        heading,
        *(
            f"{name}: {value:g} ms"
            for name, value in _figures(values)
            if name != "mean" or heading != "Enqueue Time"
        ),
    ]
    if heading == "Enqueue Time":
        return lines
    lines.append(f"percentile: {_percentile(values, percentiles[-1]):g} ms at {percentiles[-1]:g}%")
    if heading == "Host Latency":
        return [*lines, rate, f"walltime: {wall:g} s"]
    return [*lines, f"total compute time: {values.sum() / 1000:g} s"]


def _figures(values: Times) -> list[tuple[str, float]]:
    return [
        ("min", float(values.min())),
        ("max", float(values.max())),
        ("mean", float(values.mean())),
        ("median", float(np.median(values))),
    ]


def _percentile(values: Times, percent: float) -> float:
    """Return the value that so many percent of them do not exceed."""
    at = max(int(np.ceil(len(values) * percent / 100)) - 1, 0)
    return float(np.sort(values)[at])
