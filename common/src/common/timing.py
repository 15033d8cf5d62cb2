"""Where the time went."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stopwatch:
    """Seconds by stage, summed over threads; `with watch("infer"): ...` adds to one."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._stages: dict[str, float] = {}
        self._lock = threading.Lock()

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the seconds spent in the block to a stage, also if the block fails."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            with self._lock:
                self._stages[stage] = self._stages.get(stage, 0.0) + spent

    @property
    def clock(self) -> float:
        """Seconds since the watch was made; stages that run at once can add up to more."""
        return time.perf_counter() - self._begin

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, in the order in which the stages first ended, and the clock's as "total"."""
        with self._lock:
            return {**self._stages, "total": self.clock}
