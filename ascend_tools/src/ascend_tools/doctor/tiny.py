"""Lines of `--full`: a tiny network is run through each way that is ready, each in a child, in a directory that is removed.

Where a way is not ready, the lines above say why, and there is none here.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ascend_tools.doctor.check import Check, Level, Registered, Status
from ascend_tools.doctor.children import ask_own
from ascend_tools.doctor.steps import Machine

_CODE = """
from ascend_tools.doctor import tiny_ways
print()
print(json.dumps(tiny_ways.main(way, folder, given)))
"""
_SECONDS = 240.0
_CONVERTING = 600.0  # ATC on a board of little memory
_LONGEST = 1200.0  # with the time that it waits for ATC; all have an end of their own before
_SOC = "Ascend310P3"  # of the guides; for ATC on a machine without an NPU
TOOLS = ("benchmark", "ais_infer", "ais_bench", "msame")
PROVIDERS = ("cuda", "tensorrt", "cann")  # of those that common.backends.providers knows by a short name
TITLES = {
    "tiny.onnxruntime": "ONNX Runtime on the CPU",
    **{f"tiny.onnxruntime-{name}": f"ONNX Runtime's {name}" for name in PROVIDERS},
    "tiny.onnxruntime-other": "ONNX Runtime's other providers",
    "tiny.openvino": "OpenVINO on the CPU",
    "tiny.openvino-bfloat16": "OpenVINO on the CPU, bfloat16",
    "tiny.openvino-float16": "OpenVINO on the CPU, float16",
    "tiny.atc": "ATC, ONNX to OM",
    "tiny.om": "the OM in Python",
    **{f"tiny.{name}": f"the OM by {name}" for name in TOOLS},
    "tiny.trtexec": "trtexec",
    "tiny.torch": "torch, to ONNX",
}
_NEEDED = ("tiny.atc", "tiny.om")
# Of the largest number: rounding in each precision.
_TOLERANCE = {"float32": 1e-4, "float16": 2e-2, "bfloat16": 5e-2}


class Converted:
    """The OM that ATC makes, for those that wait for it; None where it made none."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.done = threading.Event()


def probes(checks: Sequence[Check], folder: Path) -> list[Registered]:
    """Return the probes of the ways that are ready, by what was found; they leave all they write in `folder`."""
    machine = Machine({check.id: check for check in checks})
    found: list[Registered] = []

    def add(name: str, probe: Callable[[], Sequence[Check]], seconds: float = _LONGEST) -> None:
        optional = frozenset({name} - set(_NEEDED))
        found.append(Registered(probe, {name: TITLES[name]}, Level.FULL, seconds, optional))

    if machine.is_ok("atc.library") and not machine.groups("cann", "atc"):
        converted = Converted()
        atc = functools.partial(_atc, folder, machine.soc, converted)
        add("tiny.atc", atc)
        if machine.is_ok("inference.session") and not machine.groups("npu", "driver", "inference"):
            add("tiny.om", functools.partial(_after, "tiny.om", "om", folder, converted))
            for name in TOOLS:
                given = {"name": name, "here": _here()}
                after = functools.partial(_after, f"tiny.{name}", "tool", folder, converted, given)
                add(f"tiny.{name}", after)
    for name, way, what in _without_atc(machine):
        add(name, functools.partial(_way, name, way, folder, what))
    return found


def _without_atc(machine: Machine) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield the id, the way and what it is given of all that needs no OM."""
    if machine.is_ok("backend.onnxruntime"):
        yield "tiny.onnxruntime", "onnxruntime", {"provider": "CPUExecutionProvider"}
        others = {}  # the last of those that have no line of their own
        for short, name in machine.providers.items():
            others[short if short in PROVIDERS else "other"] = name
        for short, name in others.items():
            yield f"tiny.onnxruntime-{short}", "onnxruntime", {"provider": name}
    if machine.is_ok("backend.openvino"):
        for precision in machine.found["backend.openvino"].details.get("precisions", ()):
            name = "tiny.openvino" if precision == "float32" else f"tiny.openvino-{precision}"
            yield name, "openvino", {"precision": precision}
    for way, check in (("trtexec", "gpu.trtexec"), ("torch", "backend.torch")):
        if machine.is_ok(check):
            yield f"tiny.{way}", way, {}


def without_folder(error: OSError) -> list[Registered]:
    """Return what says that there is no place for the network's files."""

    def fail() -> list[Check]:
        raise OSError(f"no directory for temporary files: {error}; set TMPDIR to one that can be written")

    return [Registered(fail, {"tiny.onnxruntime": TITLES["tiny.onnxruntime"]}, Level.FULL)]


def _here() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return "/"


def _atc(folder: Path, soc: str | None, converted: Converted) -> list[Check]:
    try:
        checks = _way("tiny.atc", "atc", folder, {"soc": soc or _SOC}, _CONVERTING)
        made = sorted((folder / "atc").glob("tiny_bs1*.om"))
        if checks[0].status is Status.OK and made:
            converted.path = made[0]
        return checks
    finally:
        converted.done.set()


def _after(
    name: str, way: str, folder: Path, converted: Converted, given: Mapping[str, Any] | None = None
) -> list[Check]:
    """Run the OM once it is there; without one there is nothing to say beside ATC's line."""
    converted.done.wait()
    if converted.path is None:
        return []
    return _way(name, way, folder, {"path": str(converted.path), **(given or {})})


def _way(
    name: str, way: str, folder: Path, given: Mapping[str, Any], seconds: float | None = None
) -> list[Check]:
    """Run one way in a child and return its line; none where the tool is not installed."""
    answer = ask_own(
        _CODE, seconds or _SECONDS, way=way, folder=str(folder / name.partition(".")[2]), given=given
    )
    told = answer.value if isinstance(answer.value, dict) else {}
    problem = told.get("problem") or answer.problem
    if problem:
        return [_check(name, Status.WRONG, problem)]
    if not told["words"]:
        return []
    difference, largest = told["difference"], told["largest"]
    if difference is None:
        return [_check(name, Status.OK, told["words"])]
    most = _TOLERANCE[told["precision"]] * largest
    words = f"{told['words']}, largest difference {difference:.2g} of numbers up to {largest:.2g}"
    if difference <= most:
        return [_check(name, Status.OK, words, difference)]
    return [_check(name, Status.WRONG, f"{words}, more than {most:.2g}", difference)]


def _check(name: str, status: Status, found: str, difference: float | None = None) -> Check:
    remedy = "" if status is Status.OK else _REMEDY
    details = {} if difference is None else {"difference": difference}
    return Check(name, TITLES[name], status, found, remedy, name in _NEEDED, details)


_REMEDY = (
    "The way is there and does not run a network of five nodes: what it says is its own fault, no model's. NPU.md says what "
    "the tools' messages mean."
)
