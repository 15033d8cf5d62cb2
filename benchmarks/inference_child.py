"""A process of its own for one way to run a network: opened once, it times its calls whenever `inference.py` asks.

What ends it, a crash or too long a silence, is the result of that way alone.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

import floor
from ascend_tools.benchmark import load
from ascend_tools.benchmark.inputs import Batches
from ascend_tools.benchmark.timed import pure
from common.backends.base import feed
from common.errors import GuideError
from inference_paths import REFERENCE, Opened, Way, open_way

ITEMS = 2  # whose outputs are compared: the fewest that tell how much outputs change from item to item
PEAK = "peak"


@dataclass(frozen=True)
class Job:
    """What is to be measured. `outputs` is where the outputs of the first items are written."""

    way: Way
    seconds: float
    model: Path = Path()
    checkpoint: Path | None = None
    folder: Path = Path()
    inputs: Path = Path()
    names: tuple[str, ...] = ()
    items: int = 0
    batch_size: int = 1
    outputs: Path = Path()


@dataclass(frozen=True)
class Result:
    """What was measured: images or, of the peak, operations a second; CPU seconds of an image on all threads.

    `ready` are the seconds until the first outputs. `others` is the share of the CPUs' time that other programs used
    meanwhile. `failed` says why there is nothing else.
    """

    rate: float = 0.0
    cpu_seconds: float = 0.0
    ready: float = 0.0
    precision: str = ""
    note: str = ""
    others: float | None = None
    failed: str = ""


class Child:
    """A process that measures one way; closing ends it with all that it started."""

    def __init__(self, log: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, log))
        self._process.start()
        there.close()
        self._log = log

    def measure(self, job: Job, limit: float) -> Result:
        """Measure; however it ends, there is a result. After a failure it measures no more."""
        try:
            self._connection.send(job)
            if self._connection.poll(limit):
                found: Result = self._connection.recv()
                return found
        except (EOFError, OSError):
            self._process.join(5)
            words = self._log.read_text(errors="replace").split("\n")
            last = next((line for line in reversed(words) if line.strip()), "without a word")
            return Result(failed=f"its process ended with exit status {self._process.exitcode}: {last[:300]}")
        return Result(failed=f"not ended after {limit:g} seconds")

    def close(self) -> None:
        """End it."""
        self._connection.close()
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.kill()
        self._process.join()


def _serve(connection: Connection, log: Path) -> None:
    """Measure what is asked for until nobody asks any more."""
    os.setsid()  # a group of its own, compilers included, which can be ended as a whole
    with log.open("w") as file:  # what libraries print is not for the table
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    opened = None
    while True:
        try:
            job: Job = connection.recv()
        except EOFError:
            return
        try:
            if job.way.name == PEAK:
                rate, by = floor.peak(job.way.precision, job.seconds)
                found = Result(rate=rate, precision=job.way.precision, note=by)
            else:
                opened = opened or _Way(job)
                found = opened.measure(job.seconds)
        except Exception as error:  # noqa: BLE001  of whatever kind, it is a reason, not the end
            words = str(error) if isinstance(error, GuideError) else f"{type(error).__name__}: {error}"
            found = Result(failed=" ".join(words.split())[:500])
        connection.send(found)


class _Way:
    """A way that is open and has made its first calls, in which a compiler works."""

    def __init__(self, job: Job) -> None:
        begin = time.perf_counter()
        self._way, self._size = job.way, job.batch_size
        self._opened: Opened = open_way(job.way, job.model, job.checkpoint, job.folder, job.batch_size)
        self._batches = Batches(job.inputs, job.names, job.items, job.batch_size)
        model = self._opened.models[0]
        parts = [feed(model, self._batches.at(0))]
        self._ready = time.perf_counter() - begin
        again = time.perf_counter()
        parts.append(feed(model, self._batches.at(job.batch_size)))
        self._call = time.perf_counter() - again
        joined = [np.concatenate([part[k] for part in parts])[:ITEMS] for k in range(len(model.outputs))]
        np.savez(job.outputs, *joined)

    def measure(self, seconds: float) -> Result:
        """Time the calls of all views at once; of the reference there is nothing to time."""
        opened = self._opened
        if self._way.name == REFERENCE:
            return Result(precision=opened.precision, note=opened.note)
        if self._call < seconds:  # a long one needs no warming up, and there is no time for it
            pure(opened.models, self._batches, self._size, seconds / 4, least=1)
        with load.watch() as watched:
            start = time.process_time()
            calls = pure(opened.models, self._batches, self._size, seconds, least=1)
            spent = time.process_time() - start
        self._call = max(calls.calls_ms) / 1000
        found = watched.load
        return Result(
            rate=calls.images / calls.seconds,
            cpu_seconds=spent / calls.images,
            ready=self._ready,
            precision=opened.precision,
            note=opened.note,
            others=None if found.others is None else found.others / found.seconds / found.cores,
        )
