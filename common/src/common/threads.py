"""How many threads there can be, and running one function over many items in them, with bounded memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from common import kernel

Item = TypeVar("Item")
Result = TypeVar("Result")
_share: list[int] = []  # of the cores, where others compute on this machine, too


def take_share(count: int) -> None:
    """Let this process compute in `count` threads at most."""
    _share[:] = [count]


def cores() -> int:
    """Return how many threads can compute at once: the CPUs that this process may use, by affinity and its container.

    A container's share of a core counts as one, whose time would be lost otherwise.
    """
    limited = kernel.container()
    allowed = min([len(kernel.cpus()), *_share])
    return max(1, min(allowed, math.ceil(limited.limit))) if limited else allowed


def for_one_job() -> int:
    """Return how many threads work on a job that is computed alone: two threads of a core compute no more than one."""
    return min(cores(), kernel.physical(kernel.cpus()))


def at_once(wanted: int, size: int) -> int:
    """Return how many of `wanted` jobs, each of which takes `size` bytes, may run at the same time.

    As many as there are cores, in half of the memory that is left: the other half is for the pictures and results that
    wait, and for estimates that are too low. Always one: without it nothing is done, and what is left is told roughly.
    """
    left = kernel.memory_left()
    fitting = wanted if left is None else left // 2 // max(size, 1)
    return max(1, min(wanted, cores(), fitting))


def map_threads(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order, computed by `workers` threads.

    At most `2 * workers` results wait at any time, so a slow consumer bounds the memory. OpenCV, numpy
    and file access release the GIL, which is why threads serve here. The first exception ends it all.
    """
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items, the last one with what is left (itertools.batched of Python 3.12)."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
