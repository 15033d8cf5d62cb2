"""What the benchmarks share: CPU seconds, functions in a process of their own, this machine in words, tables."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from common.kernel import cpu_model, cpus
from common.report.versions import packages

ROOT = Path(__file__).resolve().parent.parent
Result = TypeVar("Result")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def nothing() -> None:
    """Do nothing."""


def cpu_seconds(
    function: Callable[[], object],
    seconds: float = 0.0,
    repeats: int = 3,
    before: Callable[[], object] = nothing,
) -> float:
    """Return the CPU seconds, of all threads, of the fastest of a few runs; of more if they take less than `seconds`.

    What is done `before` each run does not count.
    """
    spent: list[float] = []
    while len(spent) < repeats or sum(spent) < seconds:
        before()
        start = time.process_time()
        function()
        spent.append(time.process_time() - start)
    return min(spent)


def command_cost(words: Sequence[str], folder: Path, long: float = 5.0) -> tuple[float, float]:
    """Return the CPU seconds of a whole Python command, its imports included, and the most memory it used, in GiB.

    The fastest of three runs; a command that takes `long` seconds is run once.
    """
    spent: list[float] = []
    peak = 0
    while len(spent) < 3 and sum(spent) < long:
        process = subprocess.Popen([sys.executable, *words], cwd=folder, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, [*words])
        spent.append(used.ru_utime + used.ru_stime)
        peak = max(peak, used.ru_maxrss)
    return min(spent), peak / 2**20


def isolated(function: Callable[..., Result], *arguments: Any, threads: int | None = None) -> Result:
    """Return what a function of a module gives in a fresh process, with so many threads for BLAS and OpenMP.

    The models' directories have modules of the same names, so two models cannot be measured in one process.
    """
    wanted = dict.fromkeys(_THREADS, str(threads)) if threads else {}
    with _environment(wanted), ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def pin(count: int) -> int:
    """Let this process, and what it starts, use `count` CPUs at most; return how many those are."""
    chosen = sorted(cpus())[:count]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, chosen)
    return len(chosen)


def hashing_rate(threads: int, seconds: float = 0.1) -> float:
    """Return how much work a second so many threads do by the clock that never wait for each other, in any unit.

    What a machine really gives to threads: other programs take a share of it, and so do CPUs that share a core.
    """
    data, done = bytes(2**18), [0] * threads
    end = time.perf_counter() + seconds

    def work(number: int) -> None:
        while not done[number] or time.perf_counter() < end:
            hashlib.sha256(data)  # without Python's lock
            done[number] += 1

    start = time.perf_counter()
    pool = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return sum(done) / (time.perf_counter() - start)


def machine() -> dict[str, Any]:
    """Return what the figures depend on: the processor, how many CPUs may be used, how busy they are, versions."""
    load = round(os.getloadavg()[0], 1)
    return {
        "cpu": cpu_model(),
        "cores": len(cpus()),
        "load": load,
        "python": sys.version.split()[0],
        **packages(),
    }


def machine_line() -> str:
    """Return the same in one line, with a warning where other programs use the CPUs."""
    found = machine()
    busy = f"; load {found['load']}: other programs use it" if found["load"] > 0.5 else ""
    told = ", ".join(
        f"{name} {version}" for name, version in found.items() if name not in ("cpu", "cores", "load")
    )
    return f"{found['cpu']}, {found['cores']} cores{busy}; {told}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a table in Markdown, the first one its head; the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        [cell.ljust(widths[0]) if i == 0 else cell.rjust(widths[i]) for i, cell in enumerate(row)]
        for row in rows
    ]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(out: Path, name: str, text: str, figures: Mapping[str, Any]) -> None:
    """Write `name`.md and `name`.json, the same as text and as numbers, with the machine."""
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(text, encoding="utf-8")
    content = {"machine": machine(), **figures}
    (out / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
