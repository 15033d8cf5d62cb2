"""Where the time went."""

from __future__ import annotations

import threading
import time
from types import TracebackType


class Stopwatch:
    """Seconds by stage, summed over threads; `with watch("infer"): ...` adds to one."""

    def __init__(self) -> None:
        self._begin = time.perf_counter()
        self._stages: dict[str, float] = {}
        self._lock = threading.Lock()

    def __call__(self, stage: str) -> _Stage:
        """Add the seconds spent in the block to a stage, also if the block fails."""
        return _Stage(self, stage)

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to a stage."""
        with self._lock:
            self._stages[stage] = self._stages.get(stage, 0.0) + seconds

    @property
    def clock(self) -> float:
        """Seconds since the watch was made; stages that run at once can add up to more."""
        return time.perf_counter() - self._begin

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage, in the order in which the stages first ended, and the clock's as "total"."""
        with self._lock:
            return {**self._stages, "total": self.clock}


class _Stage:
    """One block of a stage. No generator: several are timed for each item, and this takes a third of its time."""

    __slots__ = ("_stage", "_start", "_watch")

    def __init__(self, watch: Stopwatch, stage: str) -> None:
        self._watch, self._stage = watch, stage

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.add(self._stage, time.perf_counter() - self._start)
