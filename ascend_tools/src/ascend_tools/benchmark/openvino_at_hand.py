"""OpenVINO in each precision that this CPU has, and why the others are left out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ascend_tools.benchmark.measurements import Candidate, LeftOut
from ascend_tools.benchmark.onnx_at_hand import Onnx
from ascend_tools.benchmark.opened import openvino_name
from common import process
from common.backends.deployed import PRECISIONS

_SECONDS = 120  # for Python to start and to import OpenVINO
_INSTALL = "OpenVINO is not installed: pip install -r requirements-openvino.txt"
# In a process of its own, which a broken OpenVINO can end.
_ASK = """
import importlib.util, json
from common.backends import openvino
from common.errors import GuideError
found = {"installed": importlib.util.find_spec("openvino") is not None}
try:
    found["precisions"] = openvino.precisions(openvino.library().Core())
except GuideError as error:
    found["problem"] = str(error)
print(json.dumps(found))
"""


def look_for_openvino(onnx: Onnx) -> Iterator[Candidate | LeftOut]:
    """Yield a candidate for each precision that the CPU has, and what is left out."""
    told = _ask()
    there = told.get("precisions", ())
    for precision in PRECISIONS:
        name = openvino_name(precision)
        if not onnx.models:
            yield LeftOut(name, None, onnx.reason)
        elif not told.get("installed", True):
            yield LeftOut(name, None, _INSTALL)
        elif precision in there:
            yield Candidate(name, "CPU", precision, onnx.models)
        else:
            words = f"this CPU computes in {' and '.join(there)}" if there else told["problem"]
            yield LeftOut(name, None, words)


def _ask() -> Mapping[str, Any]:
    """Return what OpenVINO says of this CPU: `precisions`, or the `problem`; and whether it is `installed`."""
    code, printed = process.run([sys.executable, "-c", _ASK], "", seconds=_SECONDS, capture=True)
    last = printed.strip().rpartition("\n")[2]
    found: Mapping[str, Any] = (
        {"problem": f"OpenVINO cannot be used here: {last}"} if code else json.loads(last)
    )
    return found
