"""Running probes at once, each with its time limit, and giving out their lines in the order in which they are shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from ascend_tools.doctor.check import GROUPS, STOP, Check, Level, Registered, group_of

_AT_ONCE = 4
_PARTING = 1.5  # seconds that probes have to end their children where the doctor is interrupted
_LATE = (
    "The check was given up, which keeps no other from being made. What it looks at hangs: a driver that does not answer, or "
    "a file system that is gone. Where the machine is only busy, run the doctor again."
)


@dataclass(frozen=True)
class Timed:
    """A line, and the seconds that its probe took."""

    check: Check
    seconds: float


Done = tuple[int, list[Check], float]


def run(probes: Sequence[Registered], level: Level) -> Generator[Timed, None, None]:
    """Yield the lines of a level's probes, group by group, in their order, each as soon as it and those before are there.

    A probe that has not ended in time is left behind in its thread, and its lines say so. Where the caller is interrupted,
    or closes the generator, all children of the probes are ended.
    """
    todo = [(at, each) for at, each in enumerate(each for each in probes if each.level <= level)]
    ended: SimpleQueue[Done] = SimpleQueue()
    running: dict[int, tuple[Registered, float, threading.Thread]] = {}
    ready: dict[int, dict[str, Timed]] = {}
    groups = list(dict.fromkeys(GROUPS.values()))
    lines = [(at, name) for at, probe in todo for name in probe.titles]
    lines.sort(key=lambda line: groups.index(group_of(line[1])))
    waiting, shown = list(todo), 0
    STOP.clear()
    try:
        while shown < len(lines):
            while waiting and len(running) < _AT_ONCE:
                at, probe = waiting.pop(0)
                thread = threading.Thread(target=_run, args=(at, probe, ended), daemon=True)
                running[at] = (probe, time.monotonic(), thread)
                thread.start()
            for at, checks, seconds in _next(ended, running):
                if running.pop(at, None):  # else it was given up before
                    ready[at] = {check.id: Timed(check, seconds) for check in checks}
            while shown < len(lines) and lines[shown][0] in ready:
                at, name = lines[shown]
                shown += 1
                if name in ready[at]:
                    yield ready[at][name]
    finally:
        if running:
            STOP.set()
            end = time.monotonic() + _PARTING
            for _, _, thread in running.values():
                thread.join(max(end - time.monotonic(), 0))
            if not any(thread.is_alive() for _, _, thread in running.values()):
                STOP.clear()


def _run(at: int, probe: Registered, ended: SimpleQueue[Done]) -> None:
    begin = time.monotonic()
    checks = probe.checked()
    ended.put((at, checks, time.monotonic() - begin))


def _next(
    ended: SimpleQueue[Done], running: dict[int, tuple[Registered, float, threading.Thread]]
) -> list[Done]:
    """Return the probe that ends next, or those whose time is over."""
    latest = min(begin + probe.seconds for probe, begin, _ in running.values())
    try:
        return [ended.get(timeout=max(latest - time.monotonic(), 0))]
    except Empty:
        now = time.monotonic()
        return [
            (at, probe.failed(f"not ended within {probe.seconds:g} seconds", _LATE), now - begin)
            for at, (probe, begin, _) in running.items()
            if now >= begin + probe.seconds
        ]
