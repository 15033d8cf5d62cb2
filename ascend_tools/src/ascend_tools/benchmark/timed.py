"""The measuring itself: calls of a network one by one, and pictures from their files to results."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from ascend_tools.benchmark.inputs import Batches
from common.backends.base import Backend, feed
from common.engine.stream import run
from common.engine.task import Source, Task
from common.threads import map_threads
from common.timing import Stopwatch

LEAST_CALLS = 3
LEAST_BATCHES = 3  # of each device, that are counted, end to end
_ALIKE = 0.1  # how far two calls may be apart for the network to be warm
_MOST = 2**19  # pictures of a run


@dataclass(frozen=True)
class Calls:
    """Milliseconds of calls, the images of all, and the seconds in which one device after the other would have done them."""

    calls_ms: tuple[float, ...]
    images: int
    seconds: float


def warm_up(
    models: Sequence[Backend], batches: Batches, seconds: float, called: Callable[[], object]
) -> float:
    """Call each network until two calls in a row are alike, and return the seconds of the faster of the last two.

    All are called at once. It takes at least half of `seconds`, since a new process can be slow at first for as long, and at
    most all of them, with two calls at least. `called` is called after each, in whichever thread it was made.
    """

    def work(model: Backend) -> float:
        own: list[float] = []
        while (
            len(own) < 2
            or sum(own) < seconds / 2
            or (abs(own[-1] - own[-2]) > _ALIKE * own[-1] and sum(own) < seconds)
        ):
            feeds = batches.feeds(len(own))
            begin = time.perf_counter_ns()
            feed(model, feeds)
            own.append((time.perf_counter_ns() - begin) / 1e9)
            called()
        return min(own[-2:])

    return max(map_threads(work, models, len(models)))


def pure(
    models: Sequence[Backend], batches: Batches, size: int, seconds: float, least: int = LEAST_CALLS
) -> Calls:
    """Call each network for so many seconds, `least` times at least, with a new batch each time, all of them at once.

    The rate, images over `seconds`, is the sum of the rates of all networks.
    """
    apart = batches.distinct // len(models)
    together = threading.Barrier(len(models))

    def work(index: int) -> list[int]:
        times: list[int] = []
        spent = 0
        together.wait()
        while len(times) < least or spent < 1e9 * seconds:
            feeds = batches.feeds(index * apart + len(times))
            begin = time.perf_counter_ns()
            feed(models[index], feeds)
            times.append(time.perf_counter_ns() - begin)
            spent += times[-1]
        return times

    found = list(map_threads(work, range(len(models)), len(models)))
    rate = sum(1e9 * size * len(times) / sum(times) for times in found)
    images = size * sum(map(len, found))
    return Calls(tuple(each / 1e6 for times in found for each in times), images, images / rate)


class _Counting(Stopwatch):
    """A stopwatch that counts, too, how often each stage was entered."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to a stage, and one to its count."""
        super().add(stage, seconds)
        with self._lock:
            self.counts[stage] += 1


@dataclass(frozen=True)
class Stream:
    """Images and the seconds that they took, and of these images the busy seconds of each stage, summed over threads."""

    images: int
    seconds: float
    stages: Mapping[str, float]
    threads: Mapping[str, int]


def end_to_end(
    task: Task[Any, Any, Any],
    models: Sequence[Backend],
    sources: Mapping[str, Source],
    size: int,
    *,
    workers: int,
    seconds: float,
    rate: float,
) -> Stream:
    """Run pictures from their files to results for about so many seconds, as evaluate.py does, and count those after the first.

    What is counted begins with the results of the first batch of each device, when all stages are at work, and has three
    batches of each at least. Pictures come again under new keys where there are fewer. `rate` is the images per second
    of the networks alone, which no run can be faster than.
    """
    ahead = size * len(models)
    least = ahead * (1 + LEAST_BATCHES)
    count = max(least, min(size * math.ceil(2 * rate * seconds / size), _MOST) + ahead)
    again = islice(cycle(sources.items()), count)
    pictures = {f"{key}, {number}": source for number, (key, source) in enumerate(again)}
    watch, begin, images, spent = _Counting(), 0.0, 0, 0.0
    results = run(task, models, pictures, batch_size=size, workers=workers, watch=watch)
    with closing(results):
        for number, _ in enumerate(results, 1):
            if number == ahead:
                begin = watch.clock
            elif number % size == 0:
                images, spent = number - ahead, watch.clock - begin
                if number >= least and spent >= seconds:
                    break
    per_call = {stage: watch.seconds[stage] / watch.counts[stage] for stage in watch.counts}
    stages = {stage: images * each / (size if stage == "infer" else 1) for stage, each in per_call.items()}
    threads = {stage: len(models) if stage == "infer" else workers for stage in stages}
    return Stream(images, spent, stages, threads)
