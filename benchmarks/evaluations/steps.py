"""What a step of an evaluation costs: seconds, CPU seconds, and the memory of the process."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
Step = Callable[[str], AbstractContextManager[None]]


class Steps:
    """What the steps cost, in `spent`: by name `wall` and `cpu` seconds and the bytes `held` when it has ended."""

    def __init__(self) -> None:
        self.spent: dict[str, dict[str, float]] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Measure the block as a step."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.spent[name] = {
            "wall": time.perf_counter() - wall,
            "cpu": time.process_time() - cpu,
            "held": held(),
        }


def held() -> int:
    """Return the bytes of memory that this process holds now; 0 where the system does not say."""
    return _status("VmRSS")


def peak() -> int:
    """Return the most bytes of memory that this process has held."""
    # ru_maxrss would be that of the process that started this one, where that was larger.
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def _status(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
