"""What else uses an NPU or a GPU, asked while nothing of ours is on it: before a measurement and after it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from ascend_tools.benchmark.measurements import Candidate
from common import process
from common.errors import GuideError
from common.npu_tools import smi

_SECONDS = 30.0  # nvidia-smi answers in one; a driver that hangs never does
_IDLE = 5.0  # percent; a device that nobody uses shows 0
_PAUSE = 1.0  # seconds: the percentage is a mean over about one, of which something of ours may be part
_GPU = ("nvidia-smi", "--format=csv,noheader,nounits")


def users(candidate: Candidate, ids: Sequence[int] = ()) -> tuple[str, ...]:
    """Return what uses the devices that a candidate runs on, in words; nothing where that cannot be told.

    `ids` are the devices as the tools number them, none for the first.
    """
    look = _look_of(candidate)
    if look is None:
        return ()
    visible = _visible("ASCEND_RT_VISIBLE_DEVICES" if look is _on_npu else "CUDA_VISIBLE_DEVICES")
    wanted = [visible[number] if number < len(visible) else str(number) for number in ids or (0,)]
    if not look(wanted):
        return ()
    time.sleep(_PAUSE)
    return look(wanted)


def _look_of(candidate: Candidate) -> Callable[[Sequence[str]], tuple[str, ...]] | None:
    if candidate.backend == "om" or candidate.backend.endswith("-cann"):
        return _on_npu  # or its stand-in
    if candidate.device != "CPU" and not candidate.rehearsal:
        return _on_gpu
    return None


def _visible(variable: str) -> list[str]:
    """Return the devices that a variable lets programs see; these count them from 0."""
    return [word.strip() for word in os.environ.get(variable, "").split(",") if word.strip()]


def _on_npu(ids: Sequence[str]) -> tuple[str, ...]:
    """Return what the NPU's own tool shows on its devices."""
    table = smi.look()
    found = []
    for chip in table.chips:
        if str(chip.device) in ids:
            inside = [each for each in table.processes if (each.npu, each.chip) == (chip.npu, chip.chip)]
            found += [
                f"{each.name or 'a process'} (process {each.pid}) on device {chip.device}" for each in inside
            ]
            if not inside and (chip.aicore_pct or 0) > _IDLE:
                found.append(f"the AI cores of device {chip.device} at {chip.aicore_pct:g} %")
    return tuple(found)


def _on_gpu(ids: Sequence[str]) -> tuple[str, ...]:
    """Return what `nvidia-smi` shows on its devices."""
    found = []
    for number in ids:
        which = ("-i", number)
        rows = _ask(*which, "--query-compute-apps=pid,process_name")
        pairs = [[cell.strip() for cell in row.split(",", 1)] for row in rows]
        inside = [pair for pair in pairs if len(pair) == 2 and pair[0].isascii() and pair[0].isdigit()]
        found += [f"{name.rpartition('/')[2]} (process {pid}) on device {number}" for pid, name in inside]
        busy = [row.strip() for row in _ask(*which, "--query-gpu=utilization.gpu")]
        percent = float(busy[0]) if busy and busy[0].isascii() and busy[0].isdigit() else 0.0
        if not inside and percent > _IDLE:
            found.append(f"device {number} at {percent:g} %")
    return tuple(found)


def _ask(*words: str) -> list[str]:
    """Return the lines that `nvidia-smi` answers, none where it does not or is not there."""
    try:
        code, text = process.run([*_GPU, *words], "", seconds=_SECONDS, capture=True)
    except (GuideError, OSError):
        return []
    return [] if code else text.splitlines()
