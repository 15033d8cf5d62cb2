"""The desk's commands in a walk: the doctor before a guide's commands, and a short benchmark after them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common import rehearsal
from common.errors import GuideError

if TYPE_CHECKING:
    from ascend_tools.rehearse.walk import Walk

_DOCTOR = "python -m ascend_tools.doctor --quick"
_OUT = "walk-benchmark"
# Of each backend a row that is soon there; how long it takes on a CPU says nothing of an NPU anyway.
_BENCHMARK = (
    "python -m ascend_tools.benchmark --backends onnxruntime,om --batch-sizes 1 --rounds 1 --seconds 0.2 "
    f"--out {_OUT}"
)
_CPUS, _NPUS = "onnxruntime", "om"


def examine(walk: Walk) -> None:
    """Run the doctor in the rehearsal, in which the way to the NPU has to be open."""
    printed = walk.succeed(f"source {_set_env(walk)} && {_DOCTOR}")
    if rehearsal.NOTE not in printed:
        raise GuideError(f"`{_DOCTOR}` does not say that it looked at a rehearsal; see {walk.log}.")


def _set_env(walk: Walk) -> str:
    return shlex.quote(str(walk.rehearsal / "set_env.sh"))


def measure(walk: Walk, model: Path) -> str:
    """Measure the rehearsed OM beside ONNX Runtime, and return the rows; none may pass for an NPU's.

    So short a measurement may be called INVALID, which is status 1; outputs that differ are an error.
    """
    words = f"{_BENCHMARK} --model {shlex.quote(str(model))}"
    walk.shell.go_home()
    status, printed = walk.run(f"source {_set_env(walk)} && {words}")
    path = walk.shell.home / _OUT / "benchmark.json"
    if status not in (0, 1) or "error: " in printed or not path.is_file():
        raise GuideError(f"`{words}` ended with {status}:\n{printed}")
    rows = json.loads(path.read_bytes())["rows"]
    problem = wrong(rows, printed)
    if problem:
        raise GuideError(f"`{words}`: {problem}; see {walk.log}.")
    return "\n".join(
        f"benchmark: {row['backend']} on {row['device']}, batch size {row['batch_size']}: {row['verdict']}"
        + (" (rehearsal)" if row["rehearsal"] else "")
        for row in rows
    )


def wrong(rows: list[dict[str, Any]], printed: str) -> str:
    """Return what is wrong with the rows of a rehearsal's benchmark, in words; "" where nothing is."""
    names = sorted({row["backend"].partition(" ")[0] for row in rows})
    if names != [_NPUS, _CPUS]:
        return f"expected rows of {_NPUS} and {_CPUS}, found {', '.join(names) or 'none'}"
    for row in rows:
        rehearsed = row["backend"].startswith(_NPUS)
        if row["rehearsal"] is not rehearsed:
            return f"the row of {row['backend']} is{'' if row['rehearsal'] else ' not'} called a rehearsal's"
        if rehearsed and row.get("ratios"):
            return "a rehearsal's figure is compared with documented ones of an NPU"
        if row["outputs"].get("ok") is False:
            return f"the outputs of {row['backend']} differ from ONNX Runtime's"
    return "" if "rehearsal" in printed.lower() else "nothing that is printed says that it is a rehearsal"
