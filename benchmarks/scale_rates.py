"""Rates of one worker and of two, on stages that sleep and on a network, for `scale.py`."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asleep.task import waiting
from asleep.worker import null
from common import cli
from common.backends.base import Backend, models_of
from common.backends.deployed import Runtime, open_deployed
from common.cluster.fleet import Fleet
from common.cluster.options import RAY, Engine
from common.cluster.spread import run_on_ray
from common.engine.stream import run
from common.engine.task import Task
from common.threads import cores
from common.timing import Stopwatch
from inputs import ROOT, load
from scale_cluster import NODES, Sleepers, only, wait_for_all
from timing import pin

WORKERS = 2  # threads that prepare, and as many that finish
# Milliseconds: preparing an item, the network for a batch, finishing an item.
MIXES = {
    1: {"network": (5.0, 10.0, 5.0), "prepare": (20.0, 5.0, 5.0), "finish": (5.0, 5.0, 20.0)},
    16: {"network": (2.0, 64.0, 2.0), "prepare": (8.0, 32.0, 2.0), "finish": (2.0, 32.0, 8.0)},
}
DIFFERENT = 16  # pictures for the network, again and again
LEAST = 0.95  # of twice one worker's rate, on stages that sleep
AGAIN = 3  # times as many rounds where it is not reached: other programs may have been in the way


@dataclass(frozen=True)
class Rates:
    """Items a second of the local engine, of one worker, and of two with twice as many items: the best of some rounds."""

    local: float
    one: float
    two: float

    @property
    def ratio(self) -> float:
        """What two workers do of twice what one does."""
        return self.two / (2 * self.one)


def rate(results: Iterable[tuple[str, Any]], count: int) -> float:
    """Return how many results come in a second; another number of them than `count` is a fault."""
    start = time.perf_counter()
    keys = [key for key, _ in results]
    spent = time.perf_counter() - start
    if len(set(keys)) != count or len(keys) != count:
        raise SystemExit(f"error: {len(keys)} results of {len(set(keys))} items came, expected {count}")
    return count / spent


def sleeping(fleet: Sleepers, folder: Path, seconds: float, rounds: int) -> dict[str, Rates]:
    """Return the rates on stages that sleep, by what is slowest and the batch size; a run takes so many seconds."""
    found = {}
    for batch_size, mixes in MIXES.items():
        for name, (prepare, network, finish) in mixes.items():
            each = max(prepare / WORKERS, network / batch_size, finish / WORKERS) / 1e3
            count = max(1, int(seconds / each) // batch_size) * batch_size
            title = f"{name} slowest, batches of {batch_size}"
            cli.announce(title)
            fleet.take(network / 1e3)
            task, alone = waiting(prepare / 1e3, finish / 1e3, 100), null(network / 1e3)
            sources = files(folder, 2 * count, 100)
            found[title] = measured(task, fleet, alone, sources, batch_size, WORKERS, rounds, LEAST)
    return found


def network(name: str, model: Path, address: str, count: int, rounds: int) -> Rates:
    """Return the rates of a model directory's network on its made-up pictures, `count` of them for each worker.

    Takes a process of its own, see `inputs.load`.
    """
    pin(cores() // NODES)  # the local engine has what a worker has
    inputs = load(name)
    where = (model, Runtime())
    with tempfile.TemporaryDirectory() as work:
        pictures = inputs.pictures(Path(work), DIFFERENT)
        numbers = (f"{number}" for number in range(2 * count))
        sources = dict(zip(numbers, itertools.cycle(pictures.values()), strict=False))
        with (
            Fleet(*where, Engine(RAY, address), inputs.FACTS, ROOT / name) as fleet,
            open_deployed(*where, inputs.FACTS, ROOT / name) as local,
        ):
            wait_for_all(fleet)
            return measured(inputs.TASK, fleet, local, sources, 1, cores(), rounds)


def measured(
    task: Task[Any, Any, Any],
    fleet: Fleet,
    local: Backend,
    sources: Mapping[str, Any],
    batch_size: int,
    workers: int,
    rounds: int,
    goal: float = 0.0,
) -> Rates:
    """Return the rates of half of the items, with two workers of all; below a goal there are more rounds."""
    half = dict(itertools.islice(sources.items(), len(sources) // 2))

    def on(members: int, items: Mapping[str, Any]) -> float:
        with only(fleet, members):
            found = run_on_ray(task, fleet, items, batch_size=batch_size, workers=workers, watch=Stopwatch())
            return rate(found, len(items))

    def here() -> float:
        views, watch = models_of(local), Stopwatch()
        return rate(run(task, views, half, batch_size=batch_size, workers=workers, watch=watch), len(half))

    every: list[tuple[float, float, float]] = []
    found = Rates(1.0, 1.0, 0.0)
    while len(every) < rounds or (found.ratio < goal and len(every) < AGAIN * rounds):
        every.append((here(), on(1, half), on(2, sources)))
        found = Rates(*map(max, zip(*every, strict=True)))
    return found


def files(folder: Path, count: int, size: int) -> dict[str, Path]:
    """Return `count` files of `size` random bytes by key; those that are missing are written."""
    folder = folder / str(size)
    folder.mkdir(exist_ok=True)
    made = {f"{number}": folder / f"{number}.bin" for number in range(count)}
    content = np.random.RandomState(0).bytes(size)
    for number, path in enumerate(made.values()):
        if not path.exists():
            path.write_bytes(number.to_bytes(4, "little") + content[4:])  # each another one
    return made
