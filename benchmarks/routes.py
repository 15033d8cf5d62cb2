"""What one process delivers with a network that takes no time: the streamed route, and the one through files."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2

from common.backends.null import Null
from common.engine.stream import run
from common.graph.outline import Value
from common.timing import Stopwatch
from inputs import load
from stages import FileRoute
from timing import hashing_rate, nothing, pin

LARGEST = 16  # images in a batch


def measure_routes(name: str, seconds: float, workers: int) -> dict[str, dict[str, float]]:
    """Return images per second by the clock and CPU milliseconds per image, with as many cores as workers, by route."""
    pin(workers)
    cv2.setNumThreads(1)
    model = load(name)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sources = model.pictures(work / "data", model.COUNT)
        route = FileRoute(model, sources, work, workers)

        def files() -> None:
            route.prepare()
            route.finish()

        return {
            "stream": _measure(*_stream(model, sources, seconds, workers), seconds, workers),
            "files": _measure(files, len(sources), seconds, workers, before=route.clear),
        }


def _stream(
    model: ModuleType, sources: dict[str, Any], seconds: float, workers: int
) -> tuple[Callable[[], None], int]:
    """Return a run of the stream over items that take a fifth of `seconds` or more, and how many these are."""
    outputs = model.outputs(0)
    inputs, _ = model.TASK.prepare(next(iter(sources.values())))
    null = Null(
        [Value(key, array.dtype.name, ("N", *array.shape)) for key, array in list(inputs.items())[:1]],
        [
            Value(tensor.name, "float32", ("N", *output.shape))
            for tensor, output in zip(model.FACTS.outputs, outputs, strict=True)
        ],
        outputs,
        0.0,
    )
    batch_size = min(LARGEST, model.FASTEST.batch_size)

    def over(items: dict[str, Any]) -> None:
        for _ in run(model.TASK, [null], items, batch_size=batch_size, workers=workers, watch=Stopwatch()):
            pass

    over(sources)
    start = time.perf_counter()
    over(sources)
    times = max(1, round(seconds / 5 / (time.perf_counter() - start)))
    items = {f"{number}_{key}": source for number in range(times) for key, source in sources.items()}
    return lambda: over(items), len(items)


def _measure(
    function: Callable[[], object],
    count: int,
    seconds: float,
    workers: int,
    before: Callable[[], object] = nothing,
) -> dict[str, float]:
    """Return what runs over `count` items give: images per second, CPU milliseconds, and images for each unit of hashing.

    The rate by the clock is the best one. The last, see `hashing_rate`, is a median, for comparing numbers of workers.
    """
    rates: list[float] = []
    spent: list[float] = []
    units: list[float] = []
    end = time.perf_counter() + seconds
    while len(rates) < 5 or time.perf_counter() < end:
        before()
        possible = hashing_rate(workers, max(0.05, seconds / 10))
        clock, cpu = time.perf_counter(), time.process_time()
        function()
        spent.append(time.process_time() - cpu)
        rates.append(count / (time.perf_counter() - clock))
        units.append(rates[-1] / possible)
    return {
        "rate": max(rates),
        "milliseconds": 1e3 * min(spent) / count,
        "per unit": statistics.median(units),
    }
