"""The performance summary of the NPU's `benchmark` tool: `perf_vision_batchsize_<N>_device_0.txt`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from common.files import write_text


def write_summary(path: Path, count: int, batch_size: int, seconds: Mapping[str, float]) -> str:
    """Write and return the performance summary in the benchmark tool's form.

    Rates are images per second, latencies milliseconds: of the whole run (e2e), per image (data read,
    preprocess, infer) and per batch (post). "Interface" is the model call alone.
    """
    batches = -(-count // batch_size)
    feeding = seconds["preprocess"] + seconds["infer"]

    def rate(amount: int, spent: float) -> str:
        return f"{amount / max(spent, 1e-9):.6g}"

    def line(label: str, amount: int, spent: float, more: str = "") -> str:
        return f"[{label}] throughputRate: {rate(amount, spent)},{more} moduleLatency: {1000 * spent / amount:.6g}\n"

    text = (
        "-----------------Performance Summary------------------\n"
        f"[e2e] throughputRate: {rate(count, seconds['total'])}, latency: {1000 * seconds['total']:.6g}\n"
        + line("data read", count, seconds["read"])
        + line("preprocess", count, seconds["preprocess"])
        + line("infer", count, feeding, f" Interface throughputRate: {rate(count, seconds['infer'])},")
        + line("post", batches, seconds["post"])
        + "-----------------------------------------------------------\n"
    )
    write_text(path, text)
    return text
