"""A measuring process from outside: started for one backend and round, and what it left when it ended, however it ended."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ascend_tools.benchmark.measure import Request
from ascend_tools.benchmark.measurements import EndToEnd, Pure
from common import process
from common.errors import GuideError

_MODULE = "ascend_tools.benchmark.measure"
_SHARED = re.compile(r"(?:note: )?[^:\n]*: (\w+ExecutionProvider runs [0-9]+ of [0-9]+ nodes.*)")


@dataclass
class Left:
    """What a measuring process left behind, by batch size.

    Attributes:
        pure: calls of the network alone.
        end_to_end: pictures from their files to results.
        outputs: files with the outputs of the first items.
        left_out: batch sizes that were not measured on purpose, and why.
        at: the batch size at which it ended before its work was done, None where it was done.
        opened: whether the model of that batch size was open by then.
        reason: why it ended.
        name: the backend's own name for itself.
        precision: in what it computes.
        notes: what a library said of how much of the network it runs.
        interrupted: whether the user ended it.
    """

    pure: dict[int, Pure] = field(default_factory=dict)
    end_to_end: dict[int, EndToEnd] = field(default_factory=dict)
    outputs: dict[int, Path] = field(default_factory=dict)
    left_out: dict[int, str] = field(default_factory=dict)
    at: int | None = None
    opened: bool = False
    reason: str = ""
    name: str = ""
    precision: str = ""
    notes: tuple[str, ...] = ()
    interrupted: bool = False


def run(request: Request, work: Path, log: Path, silent: float) -> Left:
    """Measure in a process of its own, which is ended after `silent` seconds without a word; `log` keeps what it prints.

    An interruption ends it, and is told in what it left.
    """
    asked, results = work / "request.json", work / "results"
    asked.write_bytes(msgspec.json.encode(request))
    results.write_bytes(b"")
    command = [sys.executable, "-m", _MODULE, str(asked), str(results)]
    code, reason, interrupted = 0, "", False
    try:
        code, _ = process.run(command, "", capture=True, log=log, quiet=silent)
    except KeyboardInterrupt:
        interrupted = True
    except GuideError as error:
        reason = (
            f"nothing was heard of it for {silent:g} seconds"
            if "printed nothing" in str(error)
            else str(error)
        )
    printed = log.read_text(encoding="utf-8", errors="replace")
    left = read(results.read_bytes())
    if not left.reason:
        left.reason = reason or _ended(code, printed)
    if not left.reason:
        left.at = None
    elif left.at is None:  # it had not even begun
        left.at = min(request.models)
    left.interrupted = interrupted
    left.notes = tuple(dict.fromkeys(_SHARED.findall(printed)))
    return left


def _ended(code: int, printed: str) -> str:
    """Say how a process ended that said nothing of it; empty where it ended well."""
    if code == 0:
        return ""
    words = [line.strip() for line in printed.splitlines() if line.strip()]
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit status {code}"
    memory = ", as where the memory does not suffice" if code == -signal.SIGKILL else ""
    last = f"; its last words: {words[-1][:300]}" if words else ""
    return f"the process ended {how}{memory}{last}"


def read(content: bytes) -> Left:
    """Return what the lines of a results file say; the last one may be cut."""
    left = Left()
    for line in content.splitlines():
        try:
            found: Mapping[str, Any] = msgspec.json.decode(line)
        except msgspec.DecodeError:
            break
        kind, size, value = found["kind"], found["batch_size"], found["value"]
        if kind in ("opening", "begin"):
            left.at, left.opened = size, kind == "begin"
        elif kind == "opened":
            left.name, left.precision = value["name"], value["precision"]
        elif kind == "left out":
            left.left_out[size] = value
        elif kind == "outputs":
            left.outputs[size] = Path(value)
        elif kind == "pure":
            left.pure[size] = msgspec.convert(value, Pure)
        elif kind == "end_to_end":
            left.end_to_end[size] = msgspec.convert(value, EndToEnd)
        elif kind == "failed":
            left.at, left.reason = size, value
    return left
