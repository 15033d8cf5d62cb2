"""Many items through a network and back: preparing, inference and finishing run at once, in bounded memory."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, Generic

import numpy as np

from common.backends.base import Backend, run_batch
from common.cli import shorten
from common.engine.task import Array, ContextT, Inputs, Outputs, ResultT, SourceT, Task
from common.errors import GuideError, about
from common.graph.outline import Value, item_shape
from common.threads import batches
from common.timing import Stopwatch

MEMORY = (
    256 * 2**20
)  # bytes of batches on either side of the network, unless fewer than one and the next are more


def run(
    task: Task[SourceT, ContextT, ResultT],
    models: Sequence[Backend],
    sources: Mapping[str, SourceT],
    *,
    batch_size: int,
    workers: int,
    watch: Stopwatch,
) -> Generator[tuple[str, ResultT], None, None]:
    """Yield each key with its result, in the order of `sources`.

    One thread feeds each of `models`, which are the same network; `workers` threads prepare, and as many finish. On
    either side at most two batches wait for each model, fewer where they would take more than MEMORY. The seconds
    of "preprocess", "stack", "infer" and "postprocess" are added to `watch`. An error begins with the item's key, or
    with those of its batch, and comes after the results of all earlier items. Closing the iterator ends all threads.
    """
    stream = _Stream(task, models, sources, batch_size=batch_size, workers=workers, watch=watch)
    try:
        yield from stream.results()
    finally:
        stream.close()


class _Batch(Generic[SourceT]):
    """Some items on their way: what is fed to the network, what is needed afterwards, what becomes of them."""

    def __init__(self, items: Sequence[tuple[str, SourceT]], values: Sequence[Value]) -> None:
        self.items = items
        self.contexts: list[Any] = [None] * len(items)
        self.feeds: dict[str, Array] = {}
        if len(items) > 1:  # a single item is not copied
            self.feeds = {v.name: np.empty((len(items), *item_shape(v)), v.dtype) for v in values}
        self.prepared: list[Future[None]] = []
        self.finished: Future[list[Future[Any]]] = Future()

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.items]

    def put(self, row: int, inputs: Inputs, values: Sequence[Value]) -> None:
        """Take the inputs that the network asks for into a row of the batch."""
        for value in values:
            array = inputs.get(value.name)
            if array is None:
                raise GuideError(
                    f"the network asks for the input {value.name!r}; there is {', '.join(inputs)}."
                )
            if array.shape != item_shape(value) or array.dtype != value.dtype:
                raise GuideError(
                    f"expected the input {value.name!r} as {value.dtype} of shape {item_shape(value)}, "
                    f"found {array.dtype} of shape {array.shape}."
                )
            if len(self.items) > 1:
                self.feeds[value.name][row] = array
            else:
                self.feeds[value.name] = array[None]


class _Stream(Generic[SourceT, ContextT, ResultT]):
    """The threads of one run, and the batches between them, in the order of the sources."""

    def __init__(
        self,
        task: Task[SourceT, ContextT, ResultT],
        models: Sequence[Backend],
        sources: Mapping[str, SourceT],
        *,
        batch_size: int,
        workers: int,
        watch: Stopwatch,
    ) -> None:
        self._task, self._watch = task, watch
        self._values = models[0].inputs
        self._left = batches(sources.items(), batch_size)
        self._lock = threading.Lock()  # of `_left`, `_places`, `_ordered` and `_closed`
        self._places = _places(models[0].inputs, batch_size, len(models), workers)
        self._closed = False
        self._ordered: deque[_Batch[SourceT]] = deque()
        self._queue: SimpleQueue[_Batch[SourceT] | None] = SimpleQueue()
        self._turn = threading.Lock()
        # Taken in the order of the batches, or a later one could hold the place that the next one to be yielded needs.
        self._output_places = threading.Semaphore(
            _places(models[0].outputs, batch_size, len(models), workers)
        )
        self._preparing = ThreadPoolExecutor(workers, "prepare")
        self._feeding = ThreadPoolExecutor(len(models), "infer")
        self._finishing = ThreadPoolExecutor(workers, "finish")
        self._fill()
        for model in models:
            self._feeding.submit(self._feed, model)

    def results(self) -> Iterator[tuple[str, ResultT]]:
        """Yield the results in order; no batch is left when there is none to wait for."""
        while self._ordered:
            batch = self._ordered.popleft()
            for key, future in zip(batch.keys, batch.finished.result(), strict=True):
                yield key, future.result()
            self._output_places.release()

    def close(self) -> None:
        """End all threads; what has not begun is left out."""
        with self._lock:
            self._closed = True
        self._queue.put(None)
        self._output_places.release()
        self._preparing.shutdown(wait=False, cancel_futures=True)
        self._feeding.shutdown()
        self._preparing.shutdown()
        self._finishing.shutdown(cancel_futures=True)

    def _fill(self) -> None:
        """Have as many batches prepared as there are places."""
        with self._lock:
            while self._places and not self._closed and (items := next(self._left, None)):
                self._places -= 1
                batch = _Batch(items, self._values)
                rows = range(len(items))
                batch.prepared = [self._preparing.submit(self._prepare, batch, row) for row in rows]
                self._ordered.append(batch)
                self._queue.put(batch)

    def _prepare(self, batch: _Batch[SourceT], row: int) -> None:
        key, source = batch.items[row]
        with about(key):
            with self._watch("preprocess"):
                inputs, batch.contexts[row] = self._task.prepare(source)
            with self._watch("stack"):
                batch.put(row, inputs, self._values)

    def _feed(self, model: Backend) -> None:
        """Run one batch after the other, until there is none or the stream is closed."""
        while True:
            with self._turn:
                batch = self._queue.get()
                if batch:
                    self._output_places.acquire()
            if batch is None or self._closed:
                self._queue.put(None)  # for the thread of the next model
                self._output_places.release()
                return
            try:
                for future in batch.prepared:
                    future.result()
                with about(shorten(batch.keys)), self._watch("infer"):
                    outputs = run_batch(model, batch.feeds)
                finishing = [
                    self._finishing.submit(self._finish, batch, row, [output[row] for output in outputs])
                    for row in range(len(batch.items))
                ]
            except BaseException as error:  # noqa: BLE001  raised where the result is waited for
                batch.finished.set_exception(error)
                continue
            batch.feeds = {}
            with self._lock:
                self._places += 1
            self._fill()  # first: who finds no batch in order takes it for the end
            batch.finished.set_result(finishing)

    def _finish(self, batch: _Batch[SourceT], row: int, outputs: Outputs) -> ResultT:
        with about(batch.items[row][0]), self._watch("postprocess"):
            return self._task.finish(outputs, batch.contexts[row])


def _places(values: Sequence[Value], batch_size: int, models: int, workers: int) -> int:
    """Return how many batches may be on one side of the network: in work, in each model, and two waiting for it."""
    size = batch_size * sum(
        np.dtype(v.dtype).itemsize * math.prod(d for d in v.shape[1:] if isinstance(d, int)) for v in values
    )
    wanted = 3 * models + math.ceil(workers / batch_size)
    return max(models + 1, min(wanted, MEMORY // max(size, 1)))
