"""What the kernel tells of the CPUs and the memory that this process may use: how many, which, a container's limits.

Linux tells it in files. `root` is where the file system begins, for tests.
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
CPUS = Path("sys/devices/system/cpu")
_IMPLEMENTERS = {
    "0x41": "Arm",
    "0x48": "HiSilicon",
    "0x4e": "NVIDIA",
    "0x61": "Apple",
    "0x70": "Phytium",
    "0xc0": "Ampere",
}


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
    for line in (text(root / "proc/cpuinfo") or "").splitlines():
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


def physical(numbers: frozenset[int], root: Path = ROOT) -> int:
    """Return how many cores some CPUs are; two threads of a core are no two cores, where the kernel tells of them."""
    siblings = (
        text(root / CPUS / f"cpu{each}/topology/thread_siblings_list") or f"{each}" for each in numbers
    )
    return len(set(siblings))


def container(root: Path = ROOT) -> Container | None:
    """Return the tightest CPU limit that holds for this process, None where there is none."""
    found = [*_second_version(root), *_first_version(root)]
    return min(found, key=lambda each: each.limit, default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """Return the bytes that this process' container may take, None without a limit."""
    return min((limit for limit, _ in _memory_groups(root)), default=None)


def memory_left(root: Path = ROOT) -> int | None:
    """Return the bytes that this process can still take: what the machine has left, or its container; None if not told.

    What files are held in memory for reading counts as left, since the kernel gives it up.
    """
    found = [limit - used for limit, used in _memory_groups(root)]
    told = re.search(r"^MemAvailable:\s*([0-9]{1,15}) kB", text(root / "proc/meminfo") or "", re.MULTILINE)
    if told:
        found.append(int(told[1]) * 1024)
    return max(min(found), 0) if found else None


def _memory_groups(root: Path) -> Iterator[tuple[int, int]]:
    """Yield the limit in bytes of each control group of this process that has one, and what it uses of that."""
    versions = (
        ("cgroup2", "", "memory.max", "memory.current", "inactive_file"),
        ("cgroup", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    )
    for kind, controller, limit, used, cached in versions:
        for folder in _groups(root, kind, controller):
            told = text(folder / limit) or ""
            if re.fullmatch(r"[1-9][0-9]{0,19}", told):
                held = number(text(folder / used) or "") - _table(folder / "memory.stat").get(cached, 0.0)
                yield int(told), max(int(held), 0)


def _second_version(root: Path) -> Iterator[Container]:
    for folder in _groups(root, "cgroup2", ""):
        words = (text(folder / "cpu.max") or "max").split()
        if len(words) == 2 and number(words[0]) and number(words[1]):
            stat = _table(folder / "cpu.stat")
            used = stat.get("usage_usec")
            yield Container(
                number(words[0]) / number(words[1]),
                None if used is None else used / 1e6,
                int(stat.get("nr_periods", 0)),
                int(stat.get("nr_throttled", 0)),
            )


def _first_version(root: Path) -> Iterator[Container]:
    usage = next((text(folder / "cpuacct.usage") for folder in _groups(root, "cgroup", "cpuacct")), None)
    for folder in _groups(root, "cgroup", "cpu"):
        quota, period = text(folder / "cpu.cfs_quota_us"), text(folder / "cpu.cfs_period_us")
        if quota and period and number(quota) > 0 and number(period):
            stat = _table(folder / "cpu.stat")
            yield Container(
                number(quota) / number(period),
                number(usage) / 1e9 if usage else None,
                int(stat.get("nr_periods", 0)),
                int(stat.get("nr_throttled", 0)),
            )


def _groups(root: Path, kind: str, controller: str) -> Iterator[Path]:
    """Yield the directory of this process' control group, then those above it, of a kind of file system."""
    lines = (text(root / "proc/self/cgroup") or "").splitlines()
    parts = [line.split(":", 2) for line in lines if line.count(":") >= 2]
    own = next((path for _, names, path in parts if controller in names.split(",")), None)
    mounts = (line.split() for line in (text(root / "proc/self/mountinfo") or "").splitlines())
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


def text(path: Path) -> str | None:
    """Return a small file of the kernel's, None where it is not there or not to be read."""
    try:
        return read_text(path).strip()
    except (OSError, GuideError):
        return None


def number(word: str) -> float:
    """Return a number that the kernel writes, 0 for what is none."""
    try:
        return float(word)
    except ValueError:
        return 0.0


def _table(path: Path) -> dict[str, float]:
    pairs = (line.split() for line in (text(path) or "").splitlines())
    return {words[0]: number(words[1]) for words in pairs if len(words) == 2}
