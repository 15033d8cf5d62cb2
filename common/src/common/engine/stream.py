"""Many items through a network and back: preparing, inference and finishing run at once, in bounded memory."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple

import numpy as np

from common.backends.base import Backend, check_outputs, feed
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
    sources: Mapping[str, SourceT] | Iterable[tuple[str, SourceT]],
    *,
    batch_size: int,
    workers: int,
    watch: Stopwatch,
) -> Generator[tuple[str, ResultT], None, None]:
    """Yield each key with its result, in the order of `sources`, batch by batch.

    `sources` are by key, or pairs of a key and a source, which are taken as they are needed, by any of the threads.
    One thread feeds each of `models`, which are the same network; `workers` threads prepare, and as many finish. On
    either side at most two batches wait for each model, fewer where they would take more than MEMORY. The seconds
    of "preprocess", "stack", "infer" and "postprocess" are added to `watch`. An error begins with the item's key, or
    with those of its batch, and comes after the results of all earlier batches. Closing the iterator ends all threads.
    """
    stream = _Stream(task, models, sources, batch_size=batch_size, workers=workers, watch=watch)
    try:
        stream.start()
        yield from stream.results()
    finally:
        stream.close()


class _Input(NamedTuple):
    """What the network asks for of one item."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class _Batch(Generic[SourceT]):
    """Some items on their way: what is fed to the network, what is needed afterwards, what becomes of them.

    `prepared` and `finished` are told of each row that is done, or of the error that it ended with.
    """

    def __init__(self, items: Sequence[tuple[str, SourceT]], wanted: Sequence[_Input]) -> None:
        self.keys = [key for key, _ in items]
        self.sources = [source for _, source in items]
        self.contexts: list[Any] = [None] * len(items)
        self.results: list[Any] = [None] * len(items)
        self.prepared, self.finished = _Rows(len(items)), _Rows(len(items))
        self.feeds: dict[str, Array] = {}
        self.outputs: Sequence[Array] = ()
        if len(items) > 1:  # a single item is not copied
            self.feeds = {name: np.empty((len(items), *shape), dtype) for name, shape, dtype in wanted}

    def put(self, row: int, inputs: Inputs, wanted: Sequence[_Input]) -> None:
        """Take the inputs that the network asks for into a row of the batch."""
        for name, shape, dtype in wanted:
            array = inputs.get(name)
            if array is None:
                raise GuideError(f"the network asks for the input {name!r}; there is {', '.join(inputs)}.")
            if array.shape != shape or array.dtype != dtype:
                raise GuideError(
                    f"expected the input {name!r} as {dtype} of shape {shape}, "
                    f"found {array.dtype} of shape {array.shape}."
                )
            if len(self.keys) > 1:
                self.feeds[name][row] = array
            else:  # torch takes no negative strides
                self.feeds[name] = np.asarray(array[None], order="C")


class _Rows:
    """Some rows to be waited for: until all are done, or one has ended with an error.

    Who waits is woken once, not for each row.
    """

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def done(self, error: BaseException | None = None) -> None:
        """Tell that one more row is done, or the error that it, or all of them, ended with."""
        with self._lock:  # until it is told, or the last row could tell that all is well before
            self._left -= 1
            if error is not None or not self._left:
                self._ended.put(error)

    def wait(self) -> None:
        """Wait once; the first error is raised."""
        error = self._ended.get()
        if error is not None:
            raise error


class _Closed(Exception):  # noqa: N818  no error: nobody waits for the result any more
    """The stream was closed before this was done."""


class _Stream(Generic[SourceT, ContextT, ResultT]):
    """The threads of one run, and the batches between them, in the order of the sources."""

    def __init__(
        self,
        task: Task[SourceT, ContextT, ResultT],
        models: Sequence[Backend],
        sources: Mapping[str, SourceT] | Iterable[tuple[str, SourceT]],
        *,
        batch_size: int,
        workers: int,
        watch: Stopwatch,
    ) -> None:
        self._task, self._watch = task, watch
        self._model = models[0]
        self._inputs = [_Input(v.name, item_shape(v), np.dtype(v.dtype)) for v in self._model.inputs]
        self._left = batches(sources.items() if isinstance(sources, Mapping) else sources, batch_size)
        self._lock = threading.Lock()  # of `_left`, `_places`, `_ordered` and `_closed`
        self._turn = threading.Lock()
        self._closed = False
        self._ordered: deque[_Batch[SourceT]] = deque()
        self._to_prepare: SimpleQueue[tuple[_Batch[SourceT], int] | None] = SimpleQueue()
        self._to_infer: SimpleQueue[_Batch[SourceT] | None] = SimpleQueue()
        self._to_finish: SimpleQueue[tuple[_Batch[SourceT], int] | None] = SimpleQueue()
        self._places = _places(self._model.inputs, batch_size, len(models), workers)
        # Taken in the order of the batches, or a later one could hold the place that the next one to be yielded needs.
        places = _places(self._model.outputs, batch_size, len(models), workers)
        self._output_places: SimpleQueue[None] = SimpleQueue()  # an entry for each; quicker than a semaphore
        for _ in range(places):
            self._output_places.put(None)
        self._threads = []
        for queue, step in ((self._to_prepare, self._prepare), (self._to_finish, self._finish)):
            self._threads += [threading.Thread(target=_work, args=(queue, step)) for _ in range(workers)]
        # Last: where one of the others cannot be started, none of these waits for it.
        self._threads += [threading.Thread(target=self._infer, args=(model,)) for model in models]

    def start(self) -> None:
        """Have the first batches prepared, and each model wait for its own."""
        self._fill()
        for thread in self._threads:
            thread.start()

    def results(self) -> Iterator[tuple[str, ResultT]]:
        """Yield the results in order; no batch is left when there is none to wait for."""
        while self._ordered:
            batch = self._ordered.popleft()
            batch.finished.wait()
            batch.outputs = ()  # who finished an item of it may still hold it
            yield from zip(batch.keys, batch.results, strict=True)
            self._output_places.put(None)

    def close(self) -> None:
        """End all threads; what has not begun is left out."""
        with self._lock:  # whoever fills has all of a batch on its way before the threads are told to end
            self._closed = True
        self._output_places.put(None)
        self._to_infer.put(None)
        for queue in (self._to_prepare, self._to_finish):
            for _ in self._threads:
                queue.put(None)
        for thread in self._threads:
            if thread.ident is not None:  # it was started
                thread.join()

    def _fill(self) -> None:
        """Have as many batches prepared as there are places."""
        with self._lock:
            while self._places and not self._closed and (items := next(self._left, None)):
                self._places -= 1
                batch = _Batch(items, self._inputs)
                self._ordered.append(batch)
                self._to_infer.put(batch)
                for row in range(len(items)):
                    self._to_prepare.put((batch, row))

    def _prepare(self, batch: _Batch[SourceT], row: int) -> None:
        """Prepare one item; runs in the preparing threads."""
        try:
            if self._closed:
                raise _Closed
            with about(batch.keys[row]):
                with self._watch("preprocess"):
                    inputs, batch.contexts[row] = self._task.prepare(batch.sources[row])
                with self._watch("stack"):
                    batch.put(row, inputs, self._inputs)
        except BaseException as error:  # noqa: BLE001  raised where the item is waited for
            batch.prepared.done(error)
        else:
            batch.prepared.done()

    def _infer(self, model: Backend) -> None:
        """Run one batch after the other, until the stream is closed; runs in the thread of a model."""
        while True:
            with self._turn:
                batch = self._to_infer.get()
                if batch:
                    self._output_places.get()
            if batch is None or self._closed:
                self._to_infer.put(None)  # for the thread of the next model
                self._output_places.put(None)
                return
            try:
                batch.prepared.wait()
                with about(shorten(batch.keys)), self._watch("infer"):
                    batch.outputs = feed(model, batch.feeds)
                batch.feeds = {}
            except BaseException as error:  # noqa: BLE001  raised where the batch is waited for
                batch.finished.done(error)
            else:
                for row in range(len(batch.keys)):
                    self._to_finish.put((batch, row))

    def _finish(self, batch: _Batch[SourceT], row: int) -> None:
        """Finish one item; runs in the finishing threads."""
        try:
            if row == 0:  # here, since the thread of the model has the network to feed
                with self._lock:
                    self._places += 1
                self._fill()  # first: who finds no batch in order takes it for the end
            if self._closed:
                raise _Closed
            outputs: Outputs = [output[row] for output in batch.outputs]
            with about(batch.keys[row]), self._watch("postprocess"):
                check_outputs(self._model, outputs)
                batch.results[row] = self._task.finish(outputs, batch.contexts[row])
        except BaseException as error:  # noqa: BLE001  raised where the item is waited for
            batch.finished.done(error)
        else:
            batch.finished.done()


def _work(queue: SimpleQueue[tuple[Any, int] | None], step: Callable[[Any, int], None]) -> None:
    """Take one item after the other, until there is None."""
    while job := queue.get():
        step(*job)


def _places(values: Sequence[Value], batch_size: int, models: int, workers: int) -> int:
    """Return how many batches may be on one side of the network: in work, in each model, and two waiting for it."""
    size = batch_size * sum(
        np.dtype(v.dtype).itemsize * math.prod(d for d in v.shape[1:] if isinstance(d, int)) for v in values
    )
    wanted = 3 * models + math.ceil(workers / batch_size)
    return max(models + 1, min(wanted, MEMORY // max(size, 1)))
