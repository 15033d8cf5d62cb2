"""How much slower a device is than it might be, where a fault asks for that: time is spent, and counts."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ascend_tools.rehearse import faults
from common import rehearsal

_FIRST, _FIRST_TIMES = 3, 8.0  # calls after loading; a tool's warm-up mostly is one
_THROTTLED_AFTER, _THROTTLED_TIMES = 0.3, 2.5  # seconds of work until it is as slow as it gets
_BUSY_TIMES = 3.0
# A call that takes less counts as this, or waiting would not be seen beside all that surrounds it.
_SEEN_MS = 10.0
_WRONG_TIMES = 1.4
_OPENED = "opened"  # a file with a byte for each OM that was loaded


class Slowness:
    """The slowness of one OM that is loaded."""

    def __init__(self) -> None:
        """Look whether this OM shares the device with another job, as about every second one that is loaded does."""
        self.calls, self.seconds = 0, 0.0
        self.shared = faults.is_asked("benchmark:busy") and _is_shared(_opened())

    def spend(self, milliseconds: float) -> float:
        """Wait as long as a call takes longer than the milliseconds that it took; return what it took with that."""
        self.calls += 1
        times = _BUSY_TIMES if self.shared else 1.0
        if self.calls <= _FIRST and faults.is_asked("benchmark:first-run-outlier"):
            times *= _FIRST_TIMES
        if faults.is_asked("device-throttled"):
            times *= 1 + (_THROTTLED_TIMES - 1) * min(self.seconds / _THROTTLED_AFTER, 1.0)
        waited = 0.0
        if times > 1:
            waited = (times - 1) * max(milliseconds, _SEEN_MS)
            time.sleep(waited / 1000)
        self.seconds += (milliseconds + waited) / 1000
        return milliseconds + waited


def _is_shared(number: int) -> bool:
    """Tell it of the OM that is loaded as this one: half of them, in a row that has no period."""
    return number.bit_count() % 2 == 1


def _opened() -> int:
    """Count, over all processes, the OMs that were loaded, with this one."""
    path = Path(os.environ[rehearsal.VARIABLE]) / _OPENED
    with path.open("ab") as file:
        file.write(b".")
        return file.tell()


def printed(figure: float) -> float:
    """Return a figure that a tool prints: with the fault of a wrong line, another one than its times say."""
    return figure * _WRONG_TIMES if faults.is_asked("benchmark:wrong-line") else figure
