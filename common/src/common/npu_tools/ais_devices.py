"""What ais_bench prints below the summaries of a run on several devices: the throughput of each, and their sum."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from common.npu_tools.printouts import NUMBER, number

_DEVICE = re.compile(rf"\bi:([0-9]{{1,4}})\s+device_([0-9]{{1,4}})\s+throughput:\s*({NUMBER})")
_TOTAL = re.compile(rf"\bsummary throughput:\s*({NUMBER})")


class _Run(Protocol):
    throughput: float | None
    device: int | None


_AnyRun = TypeVar("_AnyRun", bound=_Run)


@dataclass
class Several:
    """One call with several devices.

    Attributes:
        told: device and images per second of each process, by its place among the summaries; a device that was named twice
            has two processes.
        total: their sum as printed, None where it is not.
    """

    told: dict[int, tuple[int, float]] = field(default_factory=dict)
    total: float | None = None

    @property
    def devices(self) -> dict[int, float]:
        """Images per second by device."""
        found: dict[int, float] = {}
        for device, rate in self.told.values():
            found[device] = found.get(device, 0.0) + rate
        return found


def note(calls: list[Several], line: str) -> None:
    """Take a line about one of several devices, or all; after a sum, and where a place comes again, the next call begins."""
    each, total = _DEVICE.search(line), _TOTAL.search(line)
    begins = not calls or calls[-1].total is not None
    if each and (rate := number(each[3])) is not None:
        if begins or int(each[1]) in calls[-1].told:
            calls.append(Several())
        calls[-1].told[int(each[1])] = int(each[2]), rate
    elif total and (value := number(total[1])) is not None:
        if begins:
            calls.append(Several())
        calls[-1].total = value


def name(calls: Sequence[Several], runs: list[_AnyRun], make: Callable[[], _AnyRun]) -> None:
    """Name the devices of runs: of those with a process' throughput, else in its place; one without a summary is made."""
    free: dict[float | None, list[_AnyRun]] = {}
    for run in reversed(runs):
        free.setdefault(run.throughput, []).append(run)
    before = 0  # runs of earlier calls
    printed = len(runs)
    for call in calls:
        for place, (device, rate) in call.told.items():
            same = free.get(rate)
            if same:
                run = same.pop()
            elif before + place < printed:
                run = runs[before + place]
            else:
                run = make()
                run.throughput = rate
                runs.append(run)
            if run.device is None:
                run.device = device
        before += len(call.told)
