"""One model from pictures to stored results: the whole stream, and each of its stages alone."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from ascend_tools.benchmark.load import watch
from common.backends.base import Backend, feed, models_of, random_feeds
from common.backends.deployed import Runtime, open_deployed
from common.backends.null import Null
from common.engine.store import Store
from common.engine.stream import run
from common.graph.outline import Value
from common.threads import batches, cores, map_threads
from common.timing import Stopwatch
from inputs import ROOT, load

AT_ONCE = 64  # batches that the backend is promised: a data set has more of them than there are cores
LEAST, MOST = 40, 4000  # pictures that are written
STAGES = ("prepare", "network", "finish", "store")


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, CPU seconds of this process, and of all others on its CPUs where that can be told."""

    clock: float
    cpu: float
    others: float


def timed(function: Callable[[], object]) -> Spent:
    """Return what a call takes."""
    with watch() as watched:
        start, cpu = time.perf_counter(), time.process_time()
        function()
        spent, used = time.perf_counter() - start, time.process_time() - cpu
    return Spent(spent, used, watched.load.others or 0.0)


class Route:
    """A stream over some items into a store, and its stages alone, with the same threads."""

    def __init__(
        self, model: Any, models: Sequence[Backend], items: Mapping[str, Any], size: int, work: Path
    ) -> None:
        self._task, self._models, self._items, self._size = model.TASK, models, items, size
        self._store = work / "store.sqlite"
        some = list(islice(items.values(), 4 * size))
        prepared = [self._task.prepare(source) for source in some]
        names = [value.name for value in models[0].inputs]
        self._feeds = [
            {name: np.stack([inputs[name] for inputs, _ in batch]) for name in names}
            for batch in batches(prepared, size)
        ]
        rows: list[tuple[list[Any], Any]] = []
        for feeds, batch in zip(self._feeds, batches(prepared, size), strict=True):
            outputs = feed(models[0], feeds)
            rows += [([output[row] for output in outputs], batch[row][1]) for row in range(len(batch))]
        self._rows = rows
        self._results = [self._task.finish(*row) for row in rows]

    def stages(self, workers: int, *, network: bool = True) -> dict[str, Callable[[], object]]:
        """Return what each stage alone does with as many items, by its name."""
        count = len(self._items)
        found: dict[str, Callable[[], object]] = {
            "prepare": lambda: _all(map_threads(self._task.prepare, self._items.values(), workers)),
            "network": self._run,
            "finish": lambda: _all(
                map_threads(lambda row: self._task.finish(*row), islice(cycle(self._rows), count), workers)
            ),
            "store": lambda: self._keep(zip(self._items, cycle(self._results), strict=False)),
        }
        return found if network else {name: stage for name, stage in found.items() if name != "network"}

    def stream(self, workers: int, *, stored: bool = True) -> None:
        """Take all items through the stream, as evaluate.py does."""
        results = run(
            self._task,
            self._models,
            self._items,
            batch_size=self._size,
            workers=workers,
            watch=Stopwatch(),
        )
        with closing(results):
            if stored:
                self._keep(results)
            else:
                _all(results)

    def _keep(self, results: Iterable[tuple[str, Any]]) -> None:
        self._store.unlink(missing_ok=True)
        with Store(self._store, {}, self._items) as store:
            store.keep(results, self._size)

    def _run(self) -> None:
        """Run as many batches as the items make, on all views at once."""
        count = -(-len(self._items) // self._size)
        # One thread for each view, which takes one batch after the other.
        shares = [range(count)[number :: len(self._models)] for number in range(len(self._models))]

        def work(pair: tuple[Backend, Sequence[int]]) -> None:
            view, share = pair
            for number in share:
                feed(view, self._feeds[number % len(self._feeds)])

        _all(map_threads(work, list(zip(self._models, shares, strict=True)), len(self._models)))


def measure_network(
    name: str, onnx: Path, backend: str, precision: str, size: int, workers: int, seconds: float, rounds: int
) -> dict[str, Any]:
    """Return the figures of the stream with the network as evaluate.py opens it: medians over rounds."""
    model = load(name)
    runtime = Runtime(backend=backend, precision=precision)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_deployed(onnx, runtime, model.FACTS, ROOT / name, batch_size=size, at_once=AT_ONCE) as deployed,
    ):
        models = models_of(deployed)
        together = len(models) * size
        turn = _turn(models, size)
        # Whole turns: what is left for fewer views than there are lasts as long as a turn.
        count = max(2, round(seconds / turn)) * together
        count = min(count, max(together, MOST // together * together))
        route = Route(model, models, _items(model, Path(folder), count), size, Path(folder))
        found = _measure(route, workers, rounds)
        return {
            "backend": deployed.name,
            "precision": deployed.precision,
            "views": len(models),
            "items": count,
            "turns": count // together,
            "turn": turn,
            **found,
        }


def measure_host(name: str, size: int, workers: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the same for a network that takes no time, and what the stream takes without a store."""
    model = load(name)
    outputs = model.outputs(0)
    with tempfile.TemporaryDirectory() as folder:
        inputs, _ = model.TASK.prepare(next(iter(_items(model, Path(folder) / "first", 1).values())))
        null = Null(
            [Value(key, array.dtype.name, ("N", *array.shape)) for key, array in list(inputs.items())[:1]],
            [
                Value(tensor.name, "float32", ("N", *output.shape))
                for tensor, output in zip(model.FACTS.outputs, outputs, strict=True)
            ],
            outputs,
            0.0,
        )
        tried = _items(model, Path(folder) / "tried", LEAST)
        one = timed(lambda: Route(model, [null], tried, size, Path(folder)).stream(workers)).clock / len(
            tried
        )
        count = max(size, min(MOST, round(seconds / one)))
        route = Route(model, [null], _items(model, Path(folder), count), size, Path(folder))
        return {"items": count, **_measure(route, workers, rounds, network=False)}


def _measure(route: Route, workers: int, rounds: int, *, network: bool = True) -> dict[str, Any]:
    """Return medians over rounds; in each, all is measured one after the other, and the ratio is that of a round."""
    stages = route.stages(workers, network=network)
    everything = {
        **stages,
        "stream": lambda: route.stream(workers),
        "without store": lambda: route.stream(workers, stored=False),
    }
    route.stream(workers)  # files are in the page cache, libraries loaded
    spent: dict[str, list[Spent]] = {key: [] for key in everything}
    ratios: list[float] = []
    slowest: list[str] = []
    for _ in range(rounds):
        for key, function in everything.items():
            spent[key].append(timed(function))
        whole = spent["stream"][-1]
        bounds = {key: spent[key][-1].clock for key in stages} | {"CPU": whole.cpu / cores()}
        slowest.append(max(bounds, key=lambda key: bounds[key]))
        ratios.append(whole.clock / bounds[slowest[-1]])
    return {
        "clock": {key: statistics.median(each.clock for each in runs) for key, runs in spent.items()},
        "cpu": {key: statistics.median(each.cpu for each in runs) for key, runs in spent.items()},
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "bound": Counter(slowest).most_common(1)[0][0],
        "others": max(each.others / each.clock for runs in spent.values() for each in runs) / cores(),
    }


def _turn(models: Sequence[Backend], size: int) -> float:
    """Return the seconds that all views take for a batch each at once, of a few turns."""
    feeds = random_feeds(models[0].inputs, size)

    def turn() -> float:
        start = time.perf_counter()
        _all(map_threads(lambda view: feed(view, feeds), models, len(models)))
        return time.perf_counter() - start

    turn()
    first = turn()
    return min([first, *(turn() for _ in range(min(4, round(2 / first))))])


def _items(model: Any, work: Path, count: int) -> dict[str, Any]:
    """Return so many items of a made-up data set, which has enough of them to be one."""
    return dict(islice(model.pictures(work / "data", max(count, LEAST)).items(), count))


def _all(results: Iterable[object]) -> None:
    for _ in results:
        pass
