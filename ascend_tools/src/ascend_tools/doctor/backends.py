"""The backends that are installed: ONNX Runtime with its providers, torch, OpenVINO, each asked in a child."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from ascend_tools.doctor import children
from ascend_tools.doctor.check import Check, Probe, Registered, Status
from ascend_tools.doctor.children import ask_python
from ascend_tools.doctor.steps import python

RUNTIME, PROVIDERS, TORCH, OPENVINO = (
    "backend.onnxruntime",
    "backend.providers",
    "backend.torch",
    "backend.openvino",
)
_TITLES = {
    RUNTIME: "ONNX Runtime",
    PROVIDERS: "Providers of ONNX Runtime",
    TORCH: "torch",
    OPENVINO: "OpenVINO",
}
_SECONDS = 60.0
# Packages that all bring the module onnxruntime; a second one is written over the first.
_RUNTIMES = re.compile(
    r"(?:ort|onnxruntime)(?:-(?:gpu|cann|openvino|directml|training|rocm|migraphx|qnn|vitisai|nightly|silicon|azure))*(?:-nightly)?"
)
_EVERYWHERE = ("CPUExecutionProvider", "AzureExecutionProvider")  # which need nothing of the machine
# An ONNX file of one Relu over 1x2 floats, operator set 11.
_TINY = "CAY6OwoMCgF4EgF5IgRSZWx1EgF0WhMKAXgSDgoMCAESCAoCCAEKAggCYhMKAXkSDgoMCAESCAoCCAEKAggCQgQKABAL"
_ASK_RUNTIME = """
import json, onnxruntime
print()
print(json.dumps({"version": onnxruntime.__version__, "providers": list(onnxruntime.get_available_providers())}))
"""
# Opens the network with a provider and says which one the session has, and which one ran the node.
_ASK_PROVIDER = """
import base64, json, os, tempfile
import numpy, onnxruntime
if %(name)r in ("CUDAExecutionProvider", "TensorrtExecutionProvider") and hasattr(onnxruntime, "preload_dlls"):
    onnxruntime.preload_dlls()
with tempfile.TemporaryDirectory() as folder:
    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = os.path.join(folder, "profile")
    asked = list(dict.fromkeys([%(name)r, "CPUExecutionProvider"]))
    session = onnxruntime.InferenceSession(base64.b64decode(%(tiny)r), options, providers=asked)
    started = list(session.get_providers())
    output = session.run(None, {"x": numpy.array([[-1, 2]], numpy.float32)})[0]
    with open(session.end_profiling()) as file:
        events = json.load(file)
ran = [(event.get("args") or {}).get("provider") for event in events]
print()
print(json.dumps({"started": started, "ran": sorted(set(filter(None, ran))), "right": output.tolist() == [[0, 2]]}))
"""
_ASK_TORCH = """
import importlib.util, json, torch
found = {"version": torch.__version__, "cuda": bool(torch.cuda.is_available())}
if importlib.util.find_spec("torch_npu"):
    try:
        import torch_npu
        found["torch_npu"] = str(getattr(torch_npu, "__version__", "there"))
        found["npu"] = bool(torch.npu.is_available())
    except BaseException as error:
        found["npu_problem"] = type(error).__name__ + ": " + str(error)
print()
print(json.dumps(found))
"""
# OpenVINO tells its makers that it was imported, unless the package that does so is none.
_ASK_OPENVINO = """
import json, sys
sys.modules["openvino_telemetry"] = None
import openvino
core = openvino.Core()
devices = list(core.available_devices)
units = list(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")) if "CPU" in devices else []
print()
print(json.dumps({"version": openvino.__version__, "devices": devices, "units": units}))
"""
# What OpenVINO calls the precisions of --precision, and what a CPU needs for each.
_PRECISIONS = {
    "float32": ("FP32", "OpenVINO's CPU plugin"),
    "bfloat16": ("BF16", "AVX-512 BF16, AMX or Arm's bfloat16"),
    "float16": ("FP16", "AVX-512 FP16, AMX float16 or Arm's float16"),
}


def _check(each: str, status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(each, _TITLES[each], status, found, remedy, required=False, details=details)


def _runtime() -> Sequence[Check]:
    """Return which ONNX Runtime there is, and which of its providers, beside the CPU, really start here."""
    installed = _installed()
    answer = ask_python(sys.executable, _ASK_RUNTIME, _SECONDS)
    said: Mapping[str, object] = answer.value if isinstance(answer.value, dict) else {}
    providers = said.get("providers")
    listed = [str(each) for each in providers] if isinstance(providers, list) else []
    if not listed:
        return [_no_runtime(installed, answer.problem)]
    words = (
        f"{said.get('version')} with {', '.join(name.removesuffix('ExecutionProvider') for name in listed)}"
    )
    others = [name for name in listed if name not in _EVERYWHERE]
    tried = {name: _try(name) for name in others}
    started = [name for name in listed if not tried.get(name)]
    details: dict[str, Any] = {
        "version": said.get("version"),
        "packages": installed,
        "providers": started,
        "listed": listed,
    }
    if len(installed) > 1:
        keep = next((name for name in installed if name != "onnxruntime"), installed[0])
        command = f"{python()} -m pip uninstall -y {' '.join(installed)} && {python()} -m pip install {keep}"
        words = f"{' and '.join(installed)} are both installed, and are one module: the one written last counts, {words}"
        runtime = _check(RUNTIME, Status.WRONG, words, command, **details, command=command)
    elif problem := _try("CPUExecutionProvider"):
        command = f"{python()} -m pip install --force-reinstall {next(iter(installed), 'onnxruntime')}"
        runtime = _check(
            RUNTIME,
            Status.WRONG,
            f"{words}: a network of one node fails: {problem}",
            command,
            **details,
            command=command,
        )
    else:
        runtime = _check(RUNTIME, Status.OK, words, **details)
    return [runtime, *([_providers(tried)] if others else [])]


def _installed() -> list[str]:
    """Return the packages that bring the module onnxruntime."""
    names = {
        str(each.metadata["Name"] or "").lower().replace("_", "-")
        for each in importlib.metadata.distributions()
    }
    return sorted(name for name in names if _RUNTIMES.fullmatch(name))


def _no_runtime(installed: Sequence[str], problem: str) -> Check:
    if not installed and "No module named 'onnxruntime'" in problem:
        command = f"{python()} -m pip install onnxruntime"
        return _check(RUNTIME, Status.MISSING, "not installed", command, command=command, providers=[])
    names = " ".join(installed) or "onnxruntime"
    command = f"{python()} -m pip uninstall -y {names} && {python()} -m pip install {names.split()[-1]}"
    words = f"cannot be imported: {children.library_problem(problem) or problem}"
    return _check(
        RUNTIME, Status.WRONG, words, command, command=command, providers=[], packages=list(installed)
    )


def _try(name: str) -> str:
    """Return why a provider does not run a network of one node here, "" where it does."""
    answer = ask_python(sys.executable, _ASK_PROVIDER % {"name": name, "tiny": _TINY}, _SECONDS)
    said = answer.value if isinstance(answer.value, dict) else {}
    if "started" not in said:
        return children.library_problem(answer.printed) or answer.problem or "it says nothing"
    if name not in said["started"]:
        return children.library_problem(answer.printed) or "the session was opened without it"
    if said.get("ran") and name not in said["ran"]:
        return f"it started, and {' and '.join(said['ran'])} ran the network"
    return "" if said.get("right") else "its output is wrong"


def _providers(tried: Mapping[str, str]) -> Check:
    """Return whether the further providers start; TensorRT's libraries need not be there where CUDA's are."""
    bad = {name: problem for name, problem in tried.items() if problem}
    if tried.get("CUDAExecutionProvider") == "":
        bad.pop("TensorrtExecutionProvider", None)
    good = ", ".join(name for name, problem in tried.items() if not problem)
    if not bad:
        rest = "".join(f"; {name} not: {problem}" for name, problem in tried.items() if problem)
        return _check(PROVIDERS, Status.OK, f"{good} start and run{rest}", started=good)
    words = "; ".join(
        f"{name} is listed and does not work here, the CPU takes its place: {problem}"
        for name, problem in bad.items()
    )
    first = next(iter(bad))
    return _check(
        PROVIDERS,
        Status.WRONG,
        words,
        f"{_START.get(first, 'See its page at onnxruntime.ai')}; or take --provider cpu.",
    )


_START = {
    "CUDAExecutionProvider": "It needs a card, its driver, and CUDA's and cuDNN's libraries: "
    'pip install "onnxruntime-gpu[cuda,cudnn]"',
    "TensorrtExecutionProvider": "It needs TensorRT's libraries beside CUDA's and cuDNN's: take --provider cuda",
    "CANNExecutionProvider": "It needs an NPU, and CANN's settings in this shell: source its set_env.sh",
}


def _torch() -> Sequence[Check]:
    answer = ask_python(sys.executable, _ASK_TORCH, _SECONDS)
    said = answer.value if isinstance(answer.value, dict) else {}
    if "version" not in said:
        return [_no_package(TORCH, "torch", answer.problem, f"{python()} -m pip install torch")]
    words = f"{said['version']}, {'with' if said.get('cuda') else 'without'} CUDA"
    if said.get("npu_problem"):
        words += f"; torch_npu cannot be imported: {said['npu_problem']}"
        remedy = "Install the torch_npu that is for this torch and this CANN, or uninstall it: pip uninstall torch_npu"
        return [_check(TORCH, Status.WRONG, words, remedy, **said)]
    if said.get("torch_npu"):
        words += f", torch_npu {said['torch_npu']} {'with' if said.get('npu') else 'without'} an NPU"
    return [_check(TORCH, Status.OK, words, **said)]


def _openvino() -> Sequence[Check]:
    answer = ask_python(sys.executable, _ASK_OPENVINO, _SECONDS)
    said = answer.value if isinstance(answer.value, dict) else {}
    command = f"{python()} -m pip install openvino"
    if "version" not in said:
        return [_no_package(OPENVINO, "openvino", answer.problem, command)]
    devices, units = (list(map(str, said.get(name) or ())) for name in ("devices", "units"))
    here = [name for name, (unit, _) in _PRECISIONS.items() if unit in units]
    lacking = {name: needed for name, (unit, needed) in _PRECISIONS.items() if unit not in units}
    said = {**said, "precisions": here}
    words = f"{str(said['version']).partition('-')[0]} on {', '.join(devices) or 'no device'}"
    if not here:
        command += " --force-reinstall"
        return [
            _check(OPENVINO, Status.WRONG, f"{words}, and not on the CPU", command, command=command, **said)
        ]
    words += f", in {' and '.join(here)}"
    words += "".join(f"; {name} takes {needed}" for name, needed in lacking.items())
    return [_check(OPENVINO, Status.OK, words, **said)]


def _no_package(each: str, name: str, problem: str, command: str) -> Check:
    """Return the line of a package that is not there, or that breaks."""
    if f"No module named '{name}'" in problem:
        return _check(each, Status.MISSING, "not installed", command, command=command)
    command += " --force-reinstall"
    words = f"cannot be imported: {children.library_problem(problem) or problem}"
    return _check(each, Status.WRONG, words, command, command=command)


def _registered(probe: Probe, *names: str, seconds: float = 90.0) -> Registered:
    return Registered(
        probe, {name: _TITLES[name] for name in names}, seconds=seconds, optional=frozenset(names)
    )


PROBES = (
    _registered(_runtime, RUNTIME, PROVIDERS, seconds=240.0),
    _registered(_torch, TORCH),
    _registered(_openvino, OPENVINO),
)
