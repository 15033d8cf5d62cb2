"""ONNX Runtime's execution providers, by name: whether one is there, and what of a network it really runs.

ONNX Runtime itself leaves to the CPU, without a word, what a provider does not take, and everything where it cannot
start. Which nodes ran where is read from the profile of one call, which every version of it can write.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from common import cli
from common.backends.base import Array
from common.errors import GuideError
from common.files import read_bytes

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT, CANN = "TensorrtExecutionProvider", "CANNExecutionProvider"
SHORT = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT, "cann": CANN}
# Each package brings the module onnxruntime: one in the place of another, never two.
_NVIDIA = 'pip uninstall onnxruntime onnxruntime-gpu, then pip install "onnxruntime-gpu[cuda,cudnn]"'
_INSTALL = {
    CUDA: _NVIDIA,
    TENSORRT: _NVIDIA,
    CANN: "pip uninstall onnxruntime, then pip install onnxruntime-cann",
}
_START = {
    CUDA: "it needs a card and its driver (nvidia-smi shows both) and CUDA's and cuDNN's libraries: "
    + _NVIDIA,
    TENSORRT: "it needs TensorRT's libraries beside those of CUDA and cuDNN, or take --provider cuda",
    CANN: "it needs an NPU (npu-smi info) and CANN's environment: source its set_env.sh",
}
# Said, so that no environment variable and no default makes another precision of it.
_OPTIONS = {TENSORRT: {"trt_fp16_enable": "0"}, CANN: {"precision_mode": "force_fp16"}}
_PRECISION = {CPU: "float32", CUDA: "float32", TENSORRT: "float32", CANN: "float16"}


def provider(text: str) -> str:
    """Argument type: cpu, cuda, tensorrt, cann, or ONNX Runtime's own name of a provider; returns the latter."""
    name = SHORT.get(text.lower(), text)
    if not name.endswith("ExecutionProvider"):
        raise argparse.ArgumentTypeError(
            f"expected {', '.join(SHORT)} or a name of ONNX Runtime's such as {CUDA}, got {text!r}"
        )
    return name


def precision(name: str) -> str:
    """Return the precision that a provider computes in, as `requested` asks for it."""
    return _PRECISION.get(name, f"as {name} chooses")


def check_precision(name: str, asked: str | None) -> None:
    """Refuse a precision, unless it is None, that a provider does not compute in."""
    own = precision(name)
    if asked in (None, own):
        return
    if name == CPU:
        raise GuideError(
            f"ONNX Runtime computes in {own} on the CPU, not in {asked}. Take --backend openvino, which has it where the "
            "CPU does, or leave --precision out."
        )
    told = f"{own} here" if own in _PRECISION.values() else "what it chooses itself"
    raise GuideError(f"{name} computes in {told}, not in {asked}; leave --precision out.")


def requested(name: str) -> list[tuple[str, dict[str, str]]]:
    """Return what to ask ONNX Runtime for: a provider, and those that take what is left of a network."""
    names = dict.fromkeys((name, *([CUDA] if name == TENSORRT else []), CPU))
    return [(each, _OPTIONS.get(each, {})) for each in names]


def library() -> Any:
    """Return the package onnxruntime, which is kept from telling its makers that it is used.

    From 1.29 on it does, and keeps a number for the machine in the user's cache, unless the environment says otherwise before
    it is imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def check_there(name: str) -> None:
    """Refuse a provider that the installed ONNX Runtime was built without."""
    if name == CPU:
        return
    onnxruntime = library()
    there = onnxruntime.get_available_providers()
    if name not in there:
        raise GuideError(
            f"this onnxruntime ({onnxruntime.__version__}) has no {name}, it has {', '.join(there)}. "
            f"Replace it: {install(name)}; or take --provider cpu."
        )


def install(name: str) -> str:
    """Return in words how to get an ONNX Runtime that has a provider."""
    return _INSTALL.get(name, "see onnxruntime.ai, Execution Providers, which package has it")


def open_checked(
    name: str, path: Path, options: Any, create: Callable[[], Any], feeds: Mapping[str, Array]
) -> Any:
    """Return the session that `create` opens with `options` and another provider than the CPU, once it has run.

    One call with `feeds` warms it up, and tells which nodes it runs; that is printed. A provider that runs none is an
    error.
    """
    check_there(name)
    cli.announce(f"opening {path} with {name}")
    said = _prepare(name)
    with tempfile.TemporaryDirectory() as folder:
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = create()
        started = session.get_providers()
        if name not in started:
            reason = said or "ONNX Runtime says why above"
            raise GuideError(
                f"{path}: ONNX Runtime takes {', '.join(started)} in the place of {name}, which cannot start here "
                f"({reason}); {_START.get(name, 'see its page at onnxruntime.ai')}; or take --provider cpu."
            )
        try:
            session.run(None, dict(feeds))
        except Exception as error:  # noqa: BLE001  onnxruntime's exceptions share no base class of their own
            raise GuideError(f"{path}: {name} cannot run this model: {error}") from None
        profile = read_bytes(Path(session.end_profiling()))
    print(_shares(name, path, nodes(profile)))
    return session


def _prepare(name: str) -> str:
    """Load what a provider needs, and return what could not be loaded."""
    if name not in (CUDA, TENSORRT):
        return ""
    onnxruntime = library()
    # Float32 is to be float32: NVIDIA's libraries take TF32, of 10 bits, in its place on cards that have it.
    os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    printed = io.StringIO()
    if hasattr(onnxruntime, "preload_dlls"):  # the libraries that pip installed, from 1.21 on
        with contextlib.redirect_stdout(printed):
            onnxruntime.preload_dlls()
    return printed.getvalue().partition("\n")[0]


def nodes(profile: bytes) -> dict[str, Counter[str]]:
    """Return how many nodes of which operator each provider ran, from ONNX Runtime's profile of one call.

    What a provider compiled into one is one node; copies between devices are left out.
    """
    found: dict[str, Counter[str]] = {}
    for event in json.loads(profile):
        details = event.get("args") or {}
        operator = details.get("op_name", "")
        if details.get("provider") and event["name"].endswith("_kernel_time") and "Memcpy" not in operator:
            found.setdefault(details["provider"], Counter())[operator] += 1
    return found


def _by_count(counts: Counter[str]) -> list[str]:
    """Return the operators, those of most nodes first."""
    return sorted(counts, key=lambda operator: (-counts[operator], operator))


def _shares(name: str, path: Path, found: Mapping[str, Counter[str]]) -> str:
    """Return in words what a provider runs of a network; nothing of it is an error."""
    total = sum(counts.total() for counts in found.values())
    if total and name not in found:
        raise GuideError(
            f"{path}: {name} runs none of the model's {cli.counted(total, 'node')}; all are left to "
            f"{', '.join(found)}. Take --provider cpu, or one that knows these operators."
        )
    if len(found) < 2:
        return f"{path}: {name} runs all {cli.counted(total, 'node')}"
    others = (
        f"; {other}: " + cli.shorten([f"{counts[each]} {each}" for each in _by_count(counts)], 5)
        for other, counts in found.items()
        if other != name
    )
    return f"note: {path}: {name} runs {found[name].total()} of {total} nodes{''.join(others)}"
