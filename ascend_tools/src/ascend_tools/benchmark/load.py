"""What else used the machine while something was measured.

The machine is looked at before and after, and not in between, so that the look disturbs nothing. All CPU seconds that
anybody used, less those of this process and its children and of the kernel's own threads, are the others'.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from ascend_tools import kernel
from ascend_tools.benchmark.measurements import Load, Process
from ascend_tools.kernel import Busy
from common.kernel import Container, container, cpus

_KTHREADD = 2


class Watched:
    """What `watch` gives: its `load` is known once the block has ended."""

    def __init__(self) -> None:
        self._load: Load | None = None

    @property
    def load(self) -> Load:
        """What used the machine within the block."""
        if self._load is None:
            raise RuntimeError("the block of watch() has not ended")
        return self._load

    @load.setter
    def load(self, load: Load) -> None:
        self._load = load


@dataclass(frozen=True)
class Times:
    """A process at one moment: CPU seconds of its own, and of its children that have ended."""

    parent: int
    name: str
    begun: float
    own: float
    ended: float


@dataclass(frozen=True)
class Look:
    """The machine at one moment; `process` is this process' CPU seconds, at the same moment as `busy`."""

    clock: float
    busy: Busy | None
    process: float
    processes: Mapping[int, Times]
    container: Container | None
    hot: float | None
    mhz: float | None


@contextmanager
def watch() -> Iterator[Watched]:
    """Watch what uses the machine while the block runs; of the programs it starts, those it waits for are its own."""
    watched = Watched()
    numbers = cpus()
    before = _look(numbers, first=True)
    yield watched
    watched.load = between(before, _look(numbers, first=False), kernel.cores(numbers), os.getpid())


def _look(numbers: frozenset[int], *, first: bool) -> Look:
    """Look at the machine; the quick parts next to what is measured, the list of processes away from it."""
    processes = _processes() if first else {}
    limited, hot = container(), kernel.hot_seconds(numbers)
    mhz = None if first else kernel.clock_mhz(numbers)
    busy, process, clock = kernel.busy(numbers), time.process_time(), time.perf_counter()
    return Look(clock, busy, process, processes or _processes(), limited, hot, mhz)


def _processes() -> dict[int, Times]:
    """Return all processes that can be seen, by their number."""
    found = {}
    for each in psutil.process_iter(["ppid", "name", "cpu_times", "create_time"]):
        times = each.info["cpu_times"]
        if times:
            # macOS tells nothing of children that have ended
            ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
            own = times.user + times.system
            found[each.pid] = Times(
                each.info["ppid"] or 0, each.info["name"] or "?", each.info["create_time"] or 0.0, own, ended
            )
    return found


def between(before: Look, after: Look, cores: int, pid: int) -> Load:
    """Return what used the machine between two looks of the process `pid`, on CPUs that are so many cores."""
    tree = _tree(before.processes, pid) | _tree(after.processes, pid)
    # What a child has used goes over to its parent when it ends, so the sum over the tree only grows.
    children = _sum(after, tree, pid) - _sum(before, tree, pid)
    own = max(after.process - before.process + children, 0.0)
    others = steal = None
    if before.busy and after.busy:
        used = after.busy.used - before.busy.used
        steal = max(after.busy.steal - before.busy.steal, 0.0)
        # A sandbox may show a table that does not count at all.
        others = None if used < own / 2 - 0.1 else max(used - own - _kernel(before, after), 0.0)
    limited, inside = after.container, None
    if before.container and limited and before.container.limit == limited.limit:
        if before.container.used is not None and limited.used is not None:
            inside = max(limited.used - before.container.used - own, 0.0)
        periods = limited.periods - before.container.periods
        held_back = limited.held_back - before.container.held_back
    else:
        periods = held_back = 0
    hot = None if before.hot is None or after.hot is None else max(after.hot - before.hot, 0.0)
    return Load(
        seconds=after.clock - before.clock,
        cores=cores,
        own=own,
        others=others,
        busiest=_busiest(before, after, tree),
        steal=steal,
        limit=limited.limit if limited else None,
        inside=inside,
        periods=max(periods, 0),
        held_back=max(held_back, 0),
        clock_mhz=after.mhz,
        hot=hot,
    )


def _tree(processes: Mapping[int, Times], pid: int) -> set[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for each, times in processes.items():
        children.setdefault(times.parent, []).append(each)
    tree, left = {pid}, [pid]
    while left:
        new = [child for child in children.get(left.pop(), ()) if child not in tree]
        tree.update(new)
        left.extend(new)
    return tree


def _sum(look: Look, tree: set[int], pid: int) -> float:
    """Return the CPU seconds of a tree of processes, without those of the process that looks, `pid`, itself."""
    found = ((each, look.processes[each]) for each in tree if each in look.processes)
    return sum(times.ended + (times.own if each != pid else 0.0) for each, times in found)


def _busiest(before: Look, after: Look, tree: set[int]) -> Process | None:
    """Return the process of others that took most CPU seconds and is still there."""
    best: Process | None = None
    for pid, now in after.processes.items():
        then = before.processes.get(pid)
        spent = _spent(then, now)
        if pid not in tree and not _is_kernel(after, pid) and spent > (best.seconds if best else 0.0):
            best = Process(pid, now.name, spent)
    return best


def _spent(then: Times | None, now: Times) -> float:
    """Return the CPU seconds of a process between two looks; its number may have been another's before."""
    return now.own - (then.own if then and then.begun == now.begun else 0.0)


def _kernel(before: Look, after: Look) -> float:
    """Return the CPU seconds of the kernel's own threads, which write and tidy up memory, for this process, too."""
    threads = ((pid, now) for pid, now in after.processes.items() if _is_kernel(after, pid))
    return sum(_spent(before.processes.get(pid), now) for pid, now in threads)


def _is_kernel(look: Look, pid: int) -> bool:
    """Tell whether a process is a thread of the kernel; in most containers these cannot be seen."""
    father = look.processes.get(_KTHREADD)
    return father is not None and father.name == "kthreadd" and look.processes[pid].parent == _KTHREADD
