"""How well preparing, inference and finishing run at once: the share of its own rate that the slowest stage keeps.

Stages of known length that sleep, so that no processor is needed: the network is one that waits for each batch. A stage's
own time is what its calls take alone, one after the other, measured in the same run, divided by its threads; the share is
the longest of the three own times over the time of the whole run, filling and emptying included.
"""

from __future__ import annotations

import functools
import time
from pathlib import Path

import numpy as np

from common.backends.null import Null
from common.engine.stream import run
from common.engine.task import Inputs, Outputs, Task
from common.graph.outline import Value
from common.timing import Stopwatch

ITEMS = 1000
# Milliseconds: preparing and finishing one item with two threads, the network for each item of a batch.
LENGTHS = {
    "prepare": (10.0, 2.0, 4.0),
    "network": (4.0, 4.0, 4.0),
    "finish": (4.0, 2.0, 10.0),
    "all alike": (8.0, 4.0, 8.0),
}


def share(
    prepare: float, network: float, finish: float, batch_size: int, workers: int, items: int = ITEMS
) -> float:
    """Return the share of its own rate that the slowest stage keeps; lengths in seconds, the network's for a batch."""
    image, result = np.zeros((3, 8, 8), np.float32), np.zeros(4, np.float32)

    def prepare_item(_: Path) -> tuple[Inputs, None]:
        time.sleep(prepare)
        return {"image": image}, None

    def finish_item(outputs: Outputs, _: None) -> int:
        time.sleep(finish)
        return len(outputs)

    null = Null(
        [Value("image", "float32", ("N", *image.shape))],
        [Value("result", "float32", ("N", *result.shape))],
        [result],
        network,
    )
    task = Task(prepare_item, finish_item)
    sources = {str(number): Path() for number in range(items)}
    start = time.perf_counter()
    done = run(task, [null], sources, batch_size=batch_size, workers=workers, watch=Stopwatch())
    if [key for key, _ in done] != list(sources):
        raise SystemExit("error: the results came in another order than the items")
    spent = time.perf_counter() - start
    calls = -(-items // batch_size)
    own = alone(prepare) * items / workers, alone(network) * calls, alone(finish) * items / workers
    return max(own) / spent


@functools.cache
def alone(length: float, calls: int = 50) -> float:
    """Return the seconds that a sleep of that length takes, which is somewhat longer."""
    start = time.perf_counter()
    for _ in range(calls):
        time.sleep(length)
    return (time.perf_counter() - start) / calls


def sleeping_table(items: int = ITEMS) -> tuple[list[list[str]], float]:
    """Return the rows of the table, the first one its head, and the worst share in it."""
    rows = [["batch", "workers", *(f"{name} slowest" for name in LENGTHS)]]
    worst = 1.0
    for batch_size in (1, 4, 16):
        for workers in (2, 4):
            shares = []
            for prepare, network, finish in LENGTHS.values():
                # With more threads an item takes as much longer, so that the same stage is the slowest.
                each = prepare * workers / 2e3, network * batch_size / 1e3, finish * workers / 2e3
                shares.append(share(*each, batch_size, workers, items))
            worst = min(worst, *shares)
            rows.append([str(batch_size), str(workers), *(f"{value:.1%}" for value in shares)])
    return rows, worst
