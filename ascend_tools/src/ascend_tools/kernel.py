"""What the kernel tells of this machine's CPUs beyond `common.kernel`: how busy, how fast, how hot, how many real cores.

Linux tells it in files; elsewhere psutil tells less, and is imported then alone: the doctor runs without it. `root` is where
the file system begins, for tests.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from common.kernel import CPUS, ROOT, number, physical, text


@dataclass(frozen=True)
class Busy:
    """CPU seconds since the machine was started, over some CPUs: used by anybody, and taken by the hypervisor."""

    used: float
    steal: float


def cores(numbers: frozenset[int], root: Path = ROOT) -> int:
    """Return how many physical cores some CPUs are; two threads of a core are no two cores."""
    found = physical(numbers, root)
    if not (root / CPUS).is_dir():
        import psutil

        return min(psutil.cpu_count(logical=False) or found, found)
    return found


def busy(numbers: frozenset[int], root: Path = ROOT) -> Busy | None:
    """Return how busy some CPUs have been; None where that is not told, as in some sandboxes."""
    stat = text(root / "proc/stat")
    if stat is None:
        return _busy_of_all() if root == ROOT and not Path("/proc").is_dir() else None
    lines = {int(found[1]): line for line in stat.splitlines() if (found := re.match(r"cpu([0-9]+) ", line))}
    # A container's own /proc/stat may count its CPUs from 0.
    chosen = [lines[each] for each in numbers] if numbers <= lines.keys() else list(lines.values())
    if len(chosen) != len(numbers):
        return None
    fields = [[float(word) for word in line.split()[1:]] + [0.0] * 8 for line in chosen]
    tick = os.sysconf("SC_CLK_TCK")
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user
    used = sum(sum(each[:3]) + sum(each[5:7]) for each in fields) / tick
    return Busy(used, sum(each[7] for each in fields) / tick) if used else None


def _busy_of_all() -> Busy:
    import psutil

    times = psutil.cpu_times()
    return Busy(sum(times) - times.idle, 0.0)


def clock_mhz(numbers: frozenset[int], root: Path = ROOT) -> float | None:
    """Return the clock of the fastest of some CPUs, in MHz; None where it is not told, as in virtual machines."""
    told = (text(root / CPUS / f"cpu{each}/cpufreq/scaling_cur_freq") for each in sorted(numbers))
    return max((number(found) / 1000 for found in told if found), default=None)


def hot_seconds(numbers: frozenset[int], root: Path = ROOT) -> float | None:
    """Return for how long one of some CPUs has been slowed down for its heat; None where it is not told."""
    names = ("core_throttle_total_time_ms", "package_throttle_total_time_ms")
    told = (text(root / CPUS / f"cpu{each}/thermal_throttle/{name}") for each in numbers for name in names)
    return max((number(found) / 1000 for found in told if found), default=None)
