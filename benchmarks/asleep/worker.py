"""A worker whose network only waits: what is left is what Ray and our own code take."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np

from common.backends.base import Backend
from common.backends.null import Null
from common.cluster.worker import Told, Worker
from common.graph.outline import Value


def null(seconds: float) -> Null:
    """Return a network from one float32 to one float32 that takes as many seconds for a batch of any size."""
    inputs, outputs = [Value("image", "float32", ("N", 1))], [Value("result", "float32", ("N", 1))]
    return Null(inputs, outputs, [np.zeros(1, np.float32)], seconds)


class Asleep(Worker):
    """A worker that needs no device and no model file."""

    def network(self) -> Backend:
        """Return a network that takes no time."""
        return null(0.0)

    def take(self, seconds: float) -> float:
        """Have each batch take as many seconds from now on; return the CPU seconds of this process until now."""
        self._models = [(null(seconds), threading.Lock())]
        return time.process_time()

    def tell(self, count: int) -> Iterator[Told]:
        """Yield as many messages without a result, as fast as Ray takes them."""
        for _ in range(count):
            yield Told()


class Silent:
    """An actor that takes calls and answers none in time: their parts stay in hand."""

    def part(self) -> Iterator[Told]:
        """Yield nothing for an hour."""
        time.sleep(3600)
        yield Told()
