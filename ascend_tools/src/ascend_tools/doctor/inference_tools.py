"""The vendor's programs that run an OM file over files: benchmark, ais_infer, msame."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ascend_tools.doctor import cann, children
from ascend_tools.doctor.check import Check, Registered, Status
from ascend_tools.doctor.inference import DRIVER

TOOLS, TITLE = "inference.tools", "Programs for inference"


def _check(status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(TOOLS, TITLE, status, found, remedy, required=False, details=details)


def _programs() -> Sequence[Check]:
    """Return which of the vendor's programs there are, here or on PATH, and whether they start."""
    from common.npu_tools.runner import TOOLS as KNOWN

    found: dict[str, str] = {}
    broken: list[str] = []
    for name, tool in KNOWN.items():
        words = tool.find(Path.cwd()) if name != "ais_bench" else None  # which is a line of its own
        if words is None:
            continue
        ran = children.run([*words, "--help"], 20.0) if name != "ais_infer" else children.Ran(0, "")
        if ran.problem:
            broken.append(f"{words[-1]} does not start: {ran.problem}")
        else:
            found[name] = words[-1]
    remedy = (
        "Nothing has to be done where Python runs OM files; else put benchmark."
        f"{platform.machine()} into the model's directory, as NPU.md says, or build ais_bench."
    )
    details: dict[str, Any] = {"programs": found}
    if broken:
        remedy = f"{DRIVER} For CANN's libraries: {cann.to_source()[0]}"
        return [_check(Status.WRONG, "; ".join(broken), remedy, **details)]
    if not found:
        return [
            _check(
                Status.MISSING,
                "none of benchmark, ais_infer.py, msame here or on PATH",
                remedy,
                **details,
            )
        ]
    return [_check(Status.OK, ", ".join(found.values()), **details)]


PROBES = (Registered(_programs, {TOOLS: TITLE}, seconds=90.0, optional=frozenset({TOOLS})),)
