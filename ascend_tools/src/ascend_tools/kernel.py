"""What the kernel tells of the CPUs and the memory that a process may use: how many, how busy, how fast, a container's limits.

Linux tells it in files; elsewhere psutil tells less, and is imported then alone: the doctor runs without it. `root` is where
the file system begins, for tests.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from common.errors import GuideError
from common.files import read_text

ROOT = Path("/")
_CPUS = Path("sys/devices/system/cpu")
_IMPLEMENTERS = {
    "0x41": "Arm",
    "0x48": "HiSilicon",
    "0x4e": "NVIDIA",
    "0x61": "Apple",
    "0x70": "Phytium",
    "0xc0": "Ampere",
}


@dataclass(frozen=True)
class Busy:
    """CPU seconds since the machine was started, over some CPUs: used by anybody, and taken by the hypervisor."""

    used: float
    steal: float


@dataclass(frozen=True)
class Container:
    """The CPU limit of a container (a control group), in cores, and what became of it since the container was made.

    `used` are CPU seconds of all that runs in it; `held_back` of the `periods` ended with its processes stopped.
    """

    limit: float
    used: float | None
    periods: int
    held_back: int


def fields(root: Path = ROOT) -> dict[str, str]:
    """Return the first processor's fields of /proc/cpuinfo; some of Arm's stand once, below all processors."""
    found: dict[str, str] = {}
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        key, colon, value = line.partition(":")
        if colon:
            found.setdefault(key.strip(), value.strip())
    return found


def cpu_model(root: Path = ROOT) -> str:
    """Return what the processor calls itself, of an Arm without a name its implementer and part."""
    told = fields(root)
    named = (told.get(key) for key in ("model name", "Model", "Hardware", "cpu model", "cpu"))
    if name := next(filter(None, named), ""):
        return name
    if implementer := told.get("CPU implementer"):
        return f"{_IMPLEMENTERS.get(implementer, implementer)} part {told.get('CPU part', '?')}"
    return platform.processor() or platform.machine()


def cpus() -> frozenset[int]:
    """Return the numbers of the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def cores(numbers: frozenset[int], root: Path = ROOT) -> int:
    """Return how many physical cores some CPUs are; two threads of a core are no two cores."""
    siblings = (
        _text(root / _CPUS / f"cpu{number}/topology/thread_siblings_list") or f"{number}"
        for number in numbers
    )
    found = len(set(siblings))
    if not (root / _CPUS).is_dir():
        import psutil

        return min(psutil.cpu_count(logical=False) or found, found)
    return found


def busy(numbers: frozenset[int], root: Path = ROOT) -> Busy | None:
    """Return how busy some CPUs have been; None where that is not told, as in some sandboxes."""
    stat = _text(root / "proc/stat")
    if stat is None:
        return _busy_of_all() if root == ROOT and not Path("/proc").is_dir() else None
    lines = {int(found[1]): line for line in stat.splitlines() if (found := re.match(r"cpu([0-9]+) ", line))}
    # A container's own /proc/stat may count its CPUs from 0.
    chosen = [lines[number] for number in numbers] if numbers <= lines.keys() else list(lines.values())
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


def container(root: Path = ROOT) -> Container | None:
    """Return the tightest CPU limit that holds for this process, None where there is none."""
    found = [*_second_version(root), *_first_version(root)]
    return min(found, key=lambda each: each.limit, default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """Return the bytes that this process' container may take, None without a limit."""
    kinds = (("cgroup2", "", "memory.max"), ("cgroup", "memory", "memory.limit_in_bytes"))
    told = [
        _text(folder / name) or ""
        for kind, controller, name in kinds
        for folder in _groups(root, kind, controller)
    ]
    return min((int(word) for word in told if re.fullmatch(r"[1-9][0-9]{0,19}", word)), default=None)


def _second_version(root: Path) -> Iterator[Container]:
    for folder in _groups(root, "cgroup2", ""):
        words = (_text(folder / "cpu.max") or "max").split()
        if len(words) == 2 and _number(words[0]) and _number(words[1]):
            stat = _table(folder / "cpu.stat")
            used = stat.get("usage_usec")
            yield Container(
                _number(words[0]) / _number(words[1]),
                None if used is None else used / 1e6,
                int(stat.get("nr_periods", 0)),
                int(stat.get("nr_throttled", 0)),
            )


def _first_version(root: Path) -> Iterator[Container]:
    usage = next((_text(folder / "cpuacct.usage") for folder in _groups(root, "cgroup", "cpuacct")), None)
    for folder in _groups(root, "cgroup", "cpu"):
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if quota and period and _number(quota) > 0 and _number(period):
            stat = _table(folder / "cpu.stat")
            yield Container(
                _number(quota) / _number(period),
                _number(usage) / 1e9 if usage else None,
                int(stat.get("nr_periods", 0)),
                int(stat.get("nr_throttled", 0)),
            )


def _groups(root: Path, kind: str, controller: str) -> Iterator[Path]:
    """Yield the directory of this process' control group, then those above it, of a kind of file system."""
    lines = (_text(root / "proc/self/cgroup") or "").splitlines()
    parts = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    own = next((path for _, names, path in parts if controller in names.split(",")), None)
    mounts = (line.split() for line in (_text(root / "proc/self/mountinfo") or "").splitlines())
    for words in mounts:
        if own is None or "-" not in words[6:] or words[words.index("-", 6) + 1] != kind:
            continue
        if controller and controller not in words[-1].split(","):
            continue
        top = root / words[4].lstrip("/")
        # A container sees its own group where the file system begins, whatever the path says.
        inner = own.removeprefix(words[3].rstrip("/")).lstrip("/") if own.startswith(words[3]) else ""
        folder = top / inner
        while folder != top:
            yield folder
            folder = folder.parent
        yield top
        return


def clock_mhz(numbers: frozenset[int], root: Path = ROOT) -> float | None:
    """Return the clock of the fastest of some CPUs, in MHz; None where it is not told, as in virtual machines."""
    told = (_text(root / _CPUS / f"cpu{number}/cpufreq/scaling_cur_freq") for number in sorted(numbers))
    return max((_number(text) / 1000 for text in told if text), default=None)


def hot_seconds(numbers: frozenset[int], root: Path = ROOT) -> float | None:
    """Return for how long one of some CPUs has been slowed down for its heat; None where it is not told."""
    names = ("core_throttle_total_time_ms", "package_throttle_total_time_ms")
    told = (
        _text(root / _CPUS / f"cpu{number}/thermal_throttle/{name}") for number in numbers for name in names
    )
    return max((_number(text) / 1000 for text in told if text), default=None)


def _text(path: Path) -> str | None:
    """Return a small file of the kernel's, None where it is not there or not to be read."""
    try:
        return read_text(path).strip()
    except (OSError, GuideError):
        return None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _table(path: Path) -> dict[str, float]:
    pairs = (line.split() for line in (_text(path) or "").splitlines())
    return {words[0]: _number(words[1]) for words in pairs if len(words) == 2}
