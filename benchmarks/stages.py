"""What each stage of one model's host side costs, alone: CPU milliseconds per image on one core, and in two threads."""

from __future__ import annotations

import itertools
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2

from common.kernel import cpus
from inputs import load
from inputs.natural import DIFFERENT, jpeg
from timing import cpu_seconds, hashing_rate, pin

SEEDS = 16  # different outputs of the network


def measure_stages(name: str, seconds: float) -> dict[str, Any]:
    """Return CPU milliseconds per image by stage, of yardsticks as well, and how two threads scale: 1 is perfect."""
    model = load(name)
    everything = len(cpus())
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sources = model.pictures(work / "data", model.COUNT)
        stages = in_memory(model, sources)
        scaling = {
            stage: two_threads(function, items, seconds)
            for stage, (function, items) in stages.items()
            if everything > 1 and stage != BARE
        }
        pin(1)
        spent = {
            stage: 1e3 * cpu_seconds(over(function, items), seconds) / len(items)
            for stage, (function, items) in stages.items()
        }
        route = FileRoute(model, sources, work)
        halves = {
            "prepare to file": route.prepare,
            BARE_TO_FILE: route.bare,
            WRITE: route.write,
            "finish from file": route.finish,
        }
        for stage, half in halves.items():
            spent[stage] = 1e3 * cpu_seconds(half, seconds, before=route.clear) / len(sources)
    sizes = [len(jpeg(*model.SIZE, model.QUALITY, seed)) for seed in range(DIFFERENT)]
    return {
        "milliseconds": spent,
        "two threads": scaling,
        "items": len(sources),
        "bytes": statistics.mean(sizes),
    }


BARE = "bare calls"
BARE_TO_FILE = "bare calls to file"
WRITE = "writing files alone"
Stage = tuple[Callable[[Any], object], Sequence[Any]]


def in_memory(model: ModuleType, sources: Mapping[str, Any]) -> dict[str, Stage]:
    """Return the stages as functions of one item, with the items."""
    items = list(sources.values())
    contexts = [model.TASK.prepare(item)[1] for item in items]
    made = [model.outputs(seed) for seed in range(min(SEEDS, len(items)))]
    finished = list(zip(itertools.cycle(made), contexts, strict=False))
    return {
        "decode": (model.decode, items),
        "prepare": (model.TASK.prepare, items),
        BARE: (model.bare, items),
        "finish": (lambda pair: model.TASK.finish(*pair), finished),
    }


class FileRoute:
    """The two halves of the file route over all items, and two yardsticks for the first."""

    def __init__(self, model: ModuleType, sources: Mapping[str, Any], work: Path, workers: int = 1) -> None:
        self._model, self._sources, self._workers = model, sources, workers
        self._contexts = {key: model.TASK.prepare(source)[1] for key, source in sources.items()}
        self._results = write_results(model, sources, work / "results")
        self._ready = model.bare(next(iter(sources.values())))
        self._inputs, self._found = work / "inputs", work / "found"

    def clear(self) -> None:
        """Remove the inputs, which would count as done."""
        shutil.rmtree(self._inputs, ignore_errors=True)

    def prepare(self) -> None:
        """Write the network's inputs."""
        self._model.preprocess(self._sources, self._inputs, self._workers)

    def finish(self) -> None:
        """Read made-up result files of the network, and write what they mean."""
        self._model.postprocess(self._results, self._sources, self._contexts, self._found, self._workers)

    def bare(self) -> None:
        """Make the inputs in bare calls of the libraries, and write them."""
        self._inputs.mkdir()
        for key, source in self._sources.items():
            self._model.bare(source).tofile(self._inputs / f"{key}.bin")

    def write(self) -> None:
        """Write as many bytes that are there: the file system's part."""
        self._inputs.mkdir()
        for key in self._sources:
            self._ready.tofile(self._inputs / f"{key}.bin")


def write_results(model: ModuleType, sources: Mapping[str, Any], folder: Path) -> Path:
    """Write made-up result files of all items, as the NPU's tools name them, and return their directory."""
    folder.mkdir(parents=True)
    made = [[output.tobytes() for output in model.outputs(seed)] for seed in range(min(SEEDS, len(sources)))]
    for key, outputs in zip(sources, itertools.cycle(made), strict=False):
        for number, data in enumerate(outputs, 1):
            (folder / f"{key}_{number}.bin").write_bytes(data)
    return folder


def over(function: Callable[[Any], object], items: Sequence[Any]) -> Callable[[], None]:
    """Return the function that does all the items."""

    def run() -> None:
        for item in items:
            function(item)

    return run


def two_threads(function: Callable[[Any], object], items: Sequence[Any], seconds: float) -> float:
    """Return the share of twice one thread's work that two threads do: less than 1 by what waits for Python's lock.

    Measured by the clock, against threads that wait for nothing at the same time. The median of a few rounds.
    """
    run = over(function, items)
    run()
    shares: list[float] = []
    end = time.perf_counter() + 2 * seconds
    while len(shares) < 5 or time.perf_counter() < end:
        rates = {}
        for count in (1, 2):
            threads = [threading.Thread(target=run) for _ in range(count)]
            possible = hashing_rate(count, max(0.05, seconds / 10))
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            rates[count] = count / (time.perf_counter() - start) / possible
        shares.append(rates[2] / rates[1])
    return statistics.median(shares)
