"""What a check is: one line of the doctor's, and how it is come by so that its failure is a line, too.

A module of checks has `PROBES`, a tuple of `Registered`. A probe is run in a thread, with a time limit, and must not
import what can crash: `children.ask_python` does that in a child.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any

from common import process
from common.errors import GuideError

# Set where the doctor is interrupted; programs that are being run then end (`process.run(..., stop=STOP)`).
STOP = threading.Event()
GROUPS = {
    "npu": "NPU",
    "driver": "Driver",
    "cann": "CANN and ATC",
    "atc": "CANN and ATC",
    "inference": "Inference",
    "gpu": "GPU",
    "cpu": "CPU",
    "python": "Python",
    "backend": "Python",
    "tiny": "A tiny network",
}
_AGAIN = (
    "The check itself failed, which keeps no other from being made. Run the doctor again; where it says the same, what "
    "it looks at is broken."
)


class Status(str, Enum):
    """What is found: as it should be, not there, or there and not as it should be."""

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong"


class Level(IntEnum):
    """How thorough: no child that takes over a second; imports in children; a tiny network through each way."""

    QUICK = 0
    DEFAULT = 1
    FULL = 2


@dataclass(frozen=True)
class Check:
    """One line.

    Attributes:
        id: stable, with the group before the dot, as in `npu.chips`.
        title: what is looked at, in words.
        status: what was found.
        found: the same in words.
        remedy: what to do, one sentence or a command; there is one wherever the status is not OK.
        required: whether the way to the NPU needs it.
        details: versions and numbers, which JSON can hold.
    """

    id: str
    title: str
    status: Status
    found: str
    remedy: str = ""
    required: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a line that says what is wrong and not what to do."""
        if self.status is not Status.OK and not self.remedy:
            raise ValueError(f"{self.id}: {self.status.value} without a remedy: {self.found}")

    @property
    def group(self) -> str:
        """The heading that the line stands below."""
        return group_of(self.id)


def group_of(name: str) -> str:
    """Return the heading of a check's id."""
    return GROUPS[name.partition(".")[0]]


Probe = Callable[[], Sequence[Check]]


@dataclass(frozen=True)
class Registered:
    """A probe and what it is run for.

    Attributes:
        probe: returns a check for each of its ids, in their order; one that does not apply here may be left out.
        titles: its ids, in the order in which their lines are shown, with their titles.
        level: the least thorough level that it belongs to.
        seconds: after which it is given up.
        optional: the ids that the way to the NPU does not need; it counts where the probe fails.
    """

    probe: Probe
    titles: Mapping[str, str]
    level: Level = Level.DEFAULT
    seconds: float = 60.0
    optional: frozenset[str] = frozenset()

    def failed(self, reason: str, remedy: str = _AGAIN) -> list[Check]:
        """Return a line for each id where the probe itself failed."""
        return [
            Check(each, title, Status.WRONG, reason, remedy, each not in self.optional)
            for each, title in self.titles.items()
        ]

    def checked(self) -> list[Check]:
        """Run the probe; whatever it raises becomes its lines."""
        try:
            checks = list(self.probe())
            named = [check.id for check in checks]
            if len(set(named)) < len(named) or not set(named) <= set(self.titles):
                raise ValueError(f"expected checks of {[*self.titles]}, each once, found {named}")
        except process.Stopped:
            return self.failed("interrupted", "Run the doctor again.")
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever it is, the others go on
            words = str(error) if isinstance(error, GuideError) else f"{type(error).__name__}: {error}"
            return self.failed(words.strip())
        return checks
