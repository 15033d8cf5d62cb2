"""What the benchmarks share: CPU seconds of a function and of a command, and the line that is printed about a step."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def cpu_seconds(function: Callable[[], object], repeats: int = 3) -> float:
    """Return the CPU seconds, of all threads, of the fastest of a few runs."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        spent.append(time.process_time() - start)
    return min(spent)


def command_seconds(words: Sequence[str], folder: Path, repeats: int = 3) -> float:
    """Return the CPU seconds of the fastest of a few runs of a whole Python command, its imports included."""
    spent = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def report(step: str, ours: float, original: float, count: int = 1, unit: str = "s") -> None:
    """Print CPU seconds beside the original's, both for `count` items; `unit` "ms" prints them per item."""
    scale = 1000 / count if unit == "ms" else 1.0
    print(
        f"{step:32} {scale * ours:8.3f} {unit}   original {scale * original:7.2f} {unit}   "
        f"{original / ours:6.1f} times as fast"
    )
