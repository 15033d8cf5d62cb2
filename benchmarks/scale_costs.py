"""What an item costs the driver and the workers of a cluster, and the driver's parts alone, for `scale.py`."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from asleep.task import waiting
from asleep.worker import Silent
from common.cluster.fleet import Member
from common.cluster.spread import run_on_ray
from common.engine.store import Store
from common.files import file_hash
from common.timing import Stopwatch
from scale_cluster import Local, Sleepers
from scale_rates import files

BATCH = 16
SIZES = (100, 4 * 2**10, 48 * 2**10)  # bytes of a result
PICTURE = 100_000  # bytes
ITEMS = 6000  # results of the smallest size
PARTS = 1600  # in hand of 800 workers


@dataclass(frozen=True)
class Cost:
    """A run on a network that takes no time: items, seconds by the clock, CPU seconds of driver, workers and Ray's own."""

    items: int
    clock: float
    driver: float
    workers: float
    ray: float


@dataclass(frozen=True)
class Alone:
    """The driver's parts alone: seconds of a picture and of a result by its bytes, and of the rest; bytes a second."""

    read: Mapping[int, float]
    stored: Mapping[int, float]
    message: float
    waiting: float
    objects: float


def items(fleet: Sleepers, cluster: Local, folder: Path) -> dict[int, Cost]:
    """Return what items cost whose results have these sizes; no file is read."""
    fleet.take(0.0)
    source = files(folder, 1, 100)["0"]
    found = {}
    for size in SIZES:
        sources = dict.fromkeys(map(str, range(ITEMS if size < SIZES[-1] else ITEMS // 2)), source)
        found[size] = _cost(fleet, cluster, sources, size)
    return found


def sent(fleet: Sleepers, cluster: Local, folder: Path, count: int = 1000) -> Cost:
    """Return what items cost whose pictures are sent."""
    engine = fleet.engine
    fleet.engine = replace(engine, send_pictures=True)
    try:
        return _cost(fleet, cluster, files(folder, count, PICTURE), SIZES[0])
    finally:
        fleet.engine = engine


def _cost(fleet: Sleepers, cluster: Local, sources: Mapping[str, Path], size: int) -> Cost:
    task, watch = waiting(0.0, 0.0, size), Stopwatch()
    before = time.perf_counter(), time.process_time(), fleet.take(0.0), cluster.cpu()
    results = run_on_ray(task, fleet, sources, batch_size=BATCH, workers=2, watch=watch)
    with closing(results):
        count = sum(1 for _ in results)
    after = time.perf_counter(), time.process_time(), fleet.take(0.0), cluster.cpu()
    return Cost(count, *(end - start for start, end in zip(before, after, strict=True)))


def alone(fleet: Sleepers, folder: Path) -> Alone:
    """Return what the driver's parts take alone; the better node counts for messages, the other one for objects."""
    return Alone(
        {size: hashing(folder, size) for size in (SIZES[0], PICTURE)},
        {size: storing(folder, size) for size in SIZES},
        min(map(messages, fleet.ready)),
        waiting_for(PARTS),
        min(map(between_nodes, fleet.ready)),  # the driver's own node has no way to go
    )


def hashing(folder: Path, size: int, count: int = 500) -> float:
    """Return the seconds in which the driver reads and hashes a picture, one that the system has in memory."""
    paths = list(files(folder, count, size).values())
    return min(_seconds(lambda: [file_hash(path) for path in paths]) for _ in range(3)) / count


def storing(folder: Path, size: int, count: int = 3000) -> float:
    """Return the seconds in which the driver stores a result of `size` bytes."""
    source = files(folder, 1, 100)["0"]
    keys, result = [f"{number}" for number in range(count)], np.ones(size, np.uint8)
    with (
        tempfile.TemporaryDirectory() as work,
        Store(Path(work) / "s", {}, dict.fromkeys(keys, source)) as store,
    ):
        return _seconds(lambda: store.keep(zip(keys, itertools.repeat(result), strict=False), BATCH)) / count


def messages(member: Member, count: int = 3000) -> float:
    """Return the driver's CPU seconds for a message of a worker that has no result in it."""
    import ray

    told = member.actor.tell.options(num_returns="streaming").remote(count)
    start = time.process_time()
    for _ in range(count):
        ray.wait([told], num_returns=1)
        ray.get(next(told))
    return (time.process_time() - start) / count


def waiting_for(parts: int) -> float:
    """Return the seconds in which Ray tells which of so many parts in hand have news."""
    import ray

    actor = ray.remote(Silent).options(num_cpus=0).remote()
    try:
        held = [actor.part.options(num_returns="streaming").remote() for _ in range(parts)]
        ray.wait(held, timeout=0)
        return min(_seconds(lambda: ray.wait(held, num_returns=parts, timeout=0)) for _ in range(5))
    finally:
        ray.kill(actor)


def between_nodes(member: Member, size: int = 64 * 2**20) -> float:
    """Return bytes a second of an object from the store of a worker's node to the driver's."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(member.place.node.id, soft=False)
    make = ray.remote(np.ones).options(num_cpus=0, scheduling_strategy=there)
    rates = []
    for _ in range(3):
        ref = make.remote(size, np.uint8)
        ray.wait([ref], fetch_local=False)
        rates.append(size / _seconds(lambda ref=ref: ray.get(ref)))
    return max(rates)


def _seconds(call: Any) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
