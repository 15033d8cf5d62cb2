"""What runs on the machines of a cluster: an actor that holds the network, and takes one part of the items after the other."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from common import kernel, threads
from common.backends.base import Array, Backend, models_of
from common.backends.chips import chips_of
from common.backends.deployed import Runtime, open_deployed
from common.cluster import pictures, ship
from common.engine.stream import run
from common.engine.task import Task, file_of
from common.engine.unreadable import Unreadable
from common.errors import GuideError
from common.facts import Facts, Tensor
from common.files import file_hash
from common.graph.outline import Value
from common.report.versions import packages
from common.timing import Stopwatch

if TYPE_CHECKING:
    from typing_extensions import Self

INTERVAL = 0.25  # seconds between what a worker tells; what came later is computed again after a kill
_ALONE = " alone"  # after the name of a stage: without waiting for others


@dataclass(frozen=True)
class Opening:
    """How a worker opens the network, see `open_deployed`; `model` is relative to what Ray's runtime environment brings."""

    model: Path
    runtime: Runtime
    facts: Facts
    optional: Sequence[Tensor]
    batch_size: int
    at_once: int


@dataclass(frozen=True)
class Opened:
    """What a worker says of the network that it has opened, and of itself. `calls` is how many batches it runs at once."""

    name: str
    precision: str
    identity: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    calls: int
    emulation: str
    host: str
    cpu: str
    packages: Mapping[str, str]
    chips: Sequence[str]


@dataclass
class Told:
    """Some results of a part, by key, the hashes of the files that a worker has read for them, and its seconds by stage."""

    results: list[tuple[str, Any]] = field(default_factory=list)
    hashes: dict[Path, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


class Worker:
    """The network on one device of one machine. Its methods are called from another process, several at a time."""

    def __init__(self, opening: Opening, cores: int, device: int | None) -> None:
        threads.take_share(cores)
        self._opening, self._device = opening, device
        self._models: list[tuple[Backend, threading.Lock]] = []
        self._turns: dict[int, tuple[threading.Semaphore, threading.Semaphore]] = {}

    def open(self) -> Opened:
        """Open the network; what this machine lacks is an error."""
        try:
            deployed = self.network()
        except GuideError as error:  # without Ray's directory, which means nothing to its reader
            raise GuideError(str(error).replace(f"{Path.cwd()}{os.sep}", "")) from None
        self._models = [(model, threading.Lock()) for model in models_of(deployed)]
        return Opened(
            deployed.name,
            deployed.precision,
            deployed.identity,
            deployed.inputs,
            deployed.outputs,
            len(self._models),
            getattr(deployed, "emulation", ""),
            socket.gethostname(),
            kernel.cpu_model(),
            packages(),
            chips_of(deployed),
        )

    def network(self) -> Backend:
        """Return the network, open on this worker's device."""
        told, here = self._opening, Path.cwd()
        runtime = told.runtime
        if told.model.suffix == ".om":
            runtime = replace(runtime, devices=(self._device if self._device is not None else _given(),))
        return open_deployed(
            here / ship.MODEL / told.model,
            runtime,
            told.facts,
            here,
            told.optional,
            batch_size=told.batch_size,
            at_once=told.at_once,
        )

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch, see `Backend.run`."""
        model, lock = self._models[0]
        with lock:
            return model.run(feeds)

    def part(
        self,
        task: Task[Any, Any, Any],
        sources: Mapping[str, Any],
        files: Mapping[Path, bytes] | None,
        batch_size: int,
        workers: int | None,
        check_files: bool,
    ) -> Iterator[Told]:
        """Yield the results of some items as they come, whole batches; what is computed comes also where an error follows.

        Args:
            task: what comes before and after the network.
            sources: the items by key.
            files: their files, None where they are read here.
            batch_size: the items in a batch.
            workers: threads that prepare and finish; None for the cores that are this worker's.
            check_files: whether the hashes of the files are to be told.
        """
        watch, told = Stopwatch(), Told()
        sent = time.monotonic()
        count = workers or threads.cores()
        with pictures.unpacked(sources, files) as (here, named):
            models = [_InTurn(model, lock, watch) for model, lock in self._models]
            shared = self._shared(task, count, watch)
            results = run(shared, models, here, batch_size=batch_size, workers=count, watch=watch)
            with closing(results):
                try:
                    for key, result in results:
                        if isinstance(result, Unreadable):
                            result = Unreadable(named(result))  # noqa: PLW2901  the same in other words
                        told.results.append((key, result))
                        if check_files and not pictures.carries_bytes(here[key]):
                            told.hashes[file_of(here[key])] = file_hash(file_of(here[key]))
                        if len(told.results) % batch_size == 0 and time.monotonic() - sent > INTERVAL:
                            yield told
                            told, sent = Told(), time.monotonic()
                except OSError as error:
                    yield told
                    raise _unreadable(error) from None
                except GuideError:
                    yield told
                    raise
        spent = watch.seconds
        stages = [stage for stage in spent if stage != "total" and not stage.endswith(_ALONE)]
        told.seconds = {stage: spent.get(stage + _ALONE, spent[stage]) for stage in stages}
        yield told

    def _shared(self, task: Task[Any, Any, Any], count: int, watch: Stopwatch) -> Task[Any, Any, Any]:
        """Return a task that `count` threads prepare at a time, and as many finish, whatever the number of parts."""
        before, after = self._turns.setdefault(
            count, (threading.Semaphore(count), threading.Semaphore(count))
        )

        def prepare(source: Any) -> Any:
            with before, watch("preprocess" + _ALONE):
                return task.prepare(source)

        def finish(outputs: Any, context: Any) -> Any:
            with after, watch("postprocess" + _ALONE):
                return task.finish(outputs, context)

        return Task(prepare, finish)


class _InTurn:
    """A network that several parts use, one at a time: while one ends the next one begins.

    The seconds in the network, without waiting for one's turn, are added to the watch of the part.
    """

    def __init__(self, model: Backend, lock: threading.Lock, watch: Stopwatch) -> None:
        self._model, self._lock, self._watch = model, lock, watch
        self.name, self.precision, self.identity = model.name, model.precision, model.identity
        self.inputs, self.outputs = model.inputs, model.outputs

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch, see `Backend.run`."""
        with self._lock, self._watch("infer" + _ALONE):
            return self._model.run(feeds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: the network stays open as long as the worker's process lives."""


def _given() -> int:
    """Return the number of the NPU that Ray has given this process, which sees no other and calls it 0, unless told to."""
    import ray

    (given,) = ray.get_runtime_context().get_accelerator_ids()["NPU"] or ["0"]
    return 0 if os.environ.get("ASCEND_RT_VISIBLE_DEVICES") == given else int(given)


def _unreadable(error: OSError) -> GuideError:
    name = os.fsdecode(error.filename) if error.filename else "a picture"
    return GuideError(f"{name}: {error.strerror or error}.")
