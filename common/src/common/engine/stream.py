"""The streamed route: from sources to the model's outputs, batch by batch, with no file in between."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from common import cli
from common.backends.base import Backend, run_batch
from common.errors import about
from common.threads import batches, map_threads

Source = TypeVar("Source")
Extra = TypeVar("Extra")
Array = NDArray[Any]


def run_model(
    model: Backend,
    sources: Mapping[str, Source],
    prepare: Callable[[Source], tuple[Array, Extra]],
    further: Callable[[Extra], Sequence[Array]] = lambda _: (),
    *,
    batch_size: int,
    workers: int,
    seconds: dict[str, float],
) -> Iterator[tuple[str, Extra, list[Array]]]:
    """Yield, for each named source in order, what `prepare` gave beside the input, and the model's outputs.

    `prepare` turns a source into one network input, without the batch, and anything the caller needs later; it runs
    in `workers` threads. `further` makes the model's other inputs, where it has more than one, from the latter. Outputs
    come without the batch. `seconds` counts up "preprocess", summed over the threads, and "infer".
    """
    seconds.update({"preprocess": 0.0, "infer": 0.0})

    def load(item: tuple[str, Source]) -> tuple[str, Array, Extra, float]:
        start = time.perf_counter()
        image, extra = prepare(item[1])
        return item[0], image, extra, time.perf_counter() - start

    loaded = map_threads(load, sources.items(), workers)
    for batch in batches(cli.progress(loaded, len(sources), "evaluate"), batch_size):
        start = time.perf_counter()
        with about(cli.shorten(name for name, _, _, _ in batch)):
            rows = [(image, *further(extra)) for _, image, extra, _ in batch]
            outputs = run_batch(model, *map(np.stack, zip(*rows, strict=True)))
        seconds["infer"] += time.perf_counter() - start
        for row, (name, _, extra, spent) in enumerate(batch):
            seconds["preprocess"] += spent
            yield name, extra, [output[row] for output in outputs]
