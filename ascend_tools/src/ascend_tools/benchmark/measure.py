"""What runs in a process of its own for each backend and round: opens it, and measures it at each batch size.

    python -m ascend_tools.benchmark.measure REQUEST RESULTS

REQUEST is a JSON file. What is had is appended to RESULTS at once, one line of JSON each, so that a crash loses only
what was not had yet. On stdout libraries print what they like.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from ascend_tools.benchmark import load
from ascend_tools.benchmark.inputs import Batches
from ascend_tools.benchmark.opened import open_backend, shares_cores
from ascend_tools.benchmark.plan import own_modules
from ascend_tools.benchmark.timed import end_to_end, pure, warm_up
from common.backends.base import Array, Backend, feed, fixed_batch, models_of
from common.errors import GuideError
from common.threads import cores

ITEMS = 4  # whose outputs are compared


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be measured, in what JSON can say, see `Plan`, `Candidate` and `Inputs`.

    `outputs` is where the outputs of the first items are written, by batch size, empty for nowhere. A `reference` is not
    measured, and runs the graph as it is written.
    """

    backend: str
    models: Mapping[int, str]  # by each batch size
    folder: str
    devices: tuple[int, ...]
    seconds: float
    smallest: int  # batch size, which is measured however long a call takes
    longest: float
    workers: int
    inputs: str
    names: tuple[str, ...]
    items: int
    data: str
    outputs: str = ""
    reference: bool = False


class Results:
    """The file that results are appended to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, kind: str, batch_size: int | None = None, value: Any = None) -> None:
        """Append a result, and say on stdout that there is one: a process that says nothing is given up."""
        line = msgspec.json.encode({"kind": kind, "batch_size": batch_size, "value": value})
        with self._path.open("ab") as file:
            file.write(line + b"\n")
        print(f"{kind} {batch_size or ''}", flush=True)


def main(request: Request, results: Results) -> None:
    """Measure all batch sizes, those of one opening after another; what ends it is a result, too."""
    sizes = sorted(request.models)
    size, too_long = sizes[0], ""
    try:
        for own in _openings(request):
            size = own[0]
            if too_long:
                for each in own:
                    results.add("left out", each, too_long)
                continue
            results.add("opening", size)
            single: Sequence[float] = ()
            with _opened(request, size) as backend:
                results.add("opened", size, {"name": backend.name, "precision": backend.precision})
                for size in own:
                    if not too_long:
                        too_long, single = _measure(request, backend, size, results)
                    else:
                        results.add("left out", size, too_long)
            if single:
                _measure_at_once(request, size, single, results)
    except MemoryError as error:
        results.add("failed", size, f"the memory does not suffice {error}".strip())
    except Exception as error:  # noqa: BLE001  of whatever kind, it is a reason, not the end
        words = str(error) if isinstance(error, GuideError) else f"{type(error).__name__}: {error}"
        results.add("failed", size, words)


def _openings(request: Request) -> list[list[int]]:
    """Return the batch sizes in groups, each for one opening: by file, or each its own where that is opened for one size."""
    sizes = sorted(request.models)
    if shares_cores(request.backend) and not request.reference:
        return [[size] for size in sizes]
    return [
        [size for size in sizes if request.models[size] == path]
        for path in dict.fromkeys(request.models[size] for size in sizes)
    ]


def _opened(request: Request, size: int, at_once: int = 1) -> Backend:
    return open_backend(
        request.backend,
        Path(request.models[size]),
        Path(request.folder),
        request.devices,
        optimise=not request.reference,
        batch_size=size,
        at_once=at_once,
    )


def _measure(request: Request, opened: Backend, size: int, results: Results) -> tuple[str, Sequence[float]]:
    """Measure one batch size; where a call takes too long, return it in words, for the larger ones.

    Of what shares the CPU's cores only the times of calls one after another are measured, and returned, see `_measure_at_once`.
    """
    results.add("begin", size)
    fixed = fixed_batch(opened)
    if fixed not in (None, size):
        raise GuideError(f"the model was built for batches of {fixed}; it takes none of {size} here.")
    batches = _batches(request, size)
    if request.reference:
        _write_outputs(opened, batches, size, request, results)
        return "", ()
    models = models_of(opened)
    call = warm_up(models, batches, request.seconds, lambda: results.add("call", size))
    if size != request.smallest and call > request.longest:
        too_long = f"takes {call:.2g} s, more than --longest {request.longest:g}"
        results.add("left out", size, f"a call {too_long}")
        return f"a call of {size} already {too_long}", ()
    if request.outputs:
        _write_outputs(opened, batches, size, request, results)
    if shares_cores(request.backend) and cores() > 1:
        return "", pure(models, batches, size, request.seconds).calls_ms
    _measure_rates(request, models, size, results)
    return "", ()


def _measure_at_once(request: Request, size: int, single: Sequence[float], results: Results) -> None:
    """Open the network for as many calls at once as share the cores, as evaluate.py has it, and measure images per second."""
    results.add("call", size)
    with _opened(request, size, cores()) as several:
        models = models_of(several)
        warm_up(models, _batches(request, size), request.seconds, lambda: results.add("call", size))
        _measure_rates(request, models, size, results, single)


def _batches(request: Request, size: int) -> Batches:
    return Batches(Path(request.inputs), request.names, request.items, size)


def _measure_rates(
    request: Request, models: Sequence[Backend], size: int, results: Results, single: Sequence[float] = ()
) -> None:
    """Measure images per second, of the networks alone and end to end; `single` are the times of calls one by one, if known."""
    batches = _batches(request, size)
    with load.watch() as watched:
        calls = pure(models, batches, size, request.seconds)
    found = {**asdict(calls), "distinct": batches.distinct, "load": watched.load}
    if single:
        found |= {"calls_ms": single, "at_once": len(models)}
    results.add("pure", size, found)
    model = own_modules(Path(request.folder))
    with load.watch() as watched:
        stream = end_to_end(
            model.task,
            models,
            model.sources(Path(request.data)),
            size,
            workers=request.workers,
            seconds=request.seconds,
            rate=calls.images / calls.seconds,
        )
    results.add("end_to_end", size, {**asdict(stream), "load": watched.load})


def _write_outputs(opened: Backend, batches: Batches, size: int, request: Request, results: Results) -> None:
    """Write the outputs of the first items as they come, finite or not."""
    rows = min(ITEMS, request.items)
    parts: list[Sequence[Array]] = []
    for start in range(0, rows, size):
        results.add("call", size)
        parts.append(feed(opened, batches.at(start)))
    joined = [np.concatenate([part[k] for part in parts])[:rows] for k in range(len(opened.outputs))]
    path = Path(f"{request.outputs}_{size}.npz")
    np.savez(path, *joined)
    results.add("outputs", size, str(path))


def _as_child() -> None:
    """Let this process, and what it starts, go before all others where memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    _as_child()
    main(msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Request), Results(Path(sys.argv[2])))
