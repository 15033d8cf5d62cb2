"""Opening a network, and running items through it, in this process or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path

from common.backends.base import Backend, models_of
from common.backends.deployed import Runtime, open_deployed
from common.cluster.fleet import Fleet
from common.cluster.options import Engine
from common.cluster.spread import run_on_ray
from common.engine.stream import run
from common.engine.task import ContextT, ResultT, SourceT, Task
from common.facts import Facts, Tensor
from common.threads import cores
from common.timing import Stopwatch


def open_anywhere(
    path: Path,
    runtime: Runtime,
    engine: Engine,
    facts: Facts,
    folder: Path,
    optional: Sequence[Tensor] = (),
    *,
    batch_size: int = 1,
    at_once: int = 1,
) -> Backend:
    """Open the deployed form of a model directory's network where `engine` says, see `open_deployed`."""
    if not engine.is_ray:
        return open_deployed(path, runtime, facts, folder, optional, batch_size=batch_size, at_once=at_once)
    return Fleet(path, runtime, engine, facts, folder, optional, batch_size=batch_size, at_once=at_once)


def run_anywhere(
    task: Task[SourceT, ContextT, ResultT],
    deployed: Backend,
    sources: Mapping[str, SourceT] | Iterable[tuple[str, SourceT]],
    *,
    batch_size: int,
    workers: int | None,
    watch: Stopwatch,
    in_order: bool = False,
    hash_of: Callable[[Path], str] | None = None,
) -> Generator[tuple[str, ResultT], None, None]:
    """Yield each key with its result; on a cluster in the order in which workers are done, unless `in_order`.

    `sources` may be pairs, which are taken as they are needed.
    `workers` is None for the cores of this process, on a cluster those of each worker; see `stream.run`, `run_on_ray`.
    """
    if not isinstance(deployed, Fleet):
        return run(
            task,
            models_of(deployed),
            sources,
            batch_size=batch_size,
            workers=workers or cores(),
            watch=watch,
        )
    return run_on_ray(
        task,
        deployed,
        sources,
        batch_size=batch_size,
        workers=workers,
        watch=watch,
        in_order=in_order,
        hash_of=hash_of,
    )
