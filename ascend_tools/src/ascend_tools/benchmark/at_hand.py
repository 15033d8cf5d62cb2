"""Which backends can run the model that one stands beside, with which files; and why the others cannot.

One more backend is one more function in `_LOOKS`: it yields what it can run, and what not for which reason. Names of backends
begin with the key there, and with a variant go on after a hyphen.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ascend_tools.benchmark import trtexec
from ascend_tools.benchmark.measurements import Candidate, LeftOut
from ascend_tools.benchmark.om_at_hand import look_for_om
from ascend_tools.benchmark.onnx_at_hand import Onnx, find_onnx
from ascend_tools.benchmark.opened import OM, ONNXRUNTIME, OPENVINO, SEEDED, TORCH
from ascend_tools.benchmark.openvino_at_hand import look_for_openvino
from ascend_tools.benchmark.plan import Plan
from common import process
from common.backends import providers
from common.cli import shorten
from common.errors import GuideError
from common.export import checkpoint

_REMOTE = "AzureExecutionProvider"  # in every package of ONNX Runtime; it asks a server, and runs no file
_SECONDS = 120  # for Python to start and to import ONNX Runtime
Offer = Candidate | LeftOut


@dataclass(frozen=True)
class AtHand:
    """What can be measured, what cannot and why, and the ONNX files, whose outputs the others' are compared with."""

    candidates: tuple[Candidate, ...]
    left_out: tuple[LeftOut, ...]
    onnx: Onnx


def look(plan: Plan) -> AtHand:
    """Return the backends at hand that a plan asks for; GuideError where it asks for unknown ones, or none is left."""
    onnx = find_onnx(plan)
    kinds = {name.partition("-")[0] for name in plan.backends} or _LOOKS.keys()
    with contextlib.redirect_stdout(sys.stderr):  # ATC's words
        offers = [offer for kind, look in _LOOKS.items() if kind in kinds for offer in look(plan, onnx)]
    names = {offer.backend for offer in offers}
    strange = [name for name in plan.backends if name not in names]
    if strange:
        known = ", ".join(dict.fromkeys((*_LOOKS, *sorted(names))))
        raise GuideError(f"--backends: expected names of {known}, found {shorten(strange)}.")
    offers = [offer for offer in offers if not plan.backends or offer.backend in plan.backends]
    found = AtHand(
        tuple(offer for offer in offers if isinstance(offer, Candidate)),
        tuple(offer for offer in offers if isinstance(offer, LeftOut)),
        onnx,
    )
    if not found.candidates:
        reasons = "\n".join(f"  {each.backend}: {each.reason}" for each in found.left_out)
        raise GuideError(f"no backend can run {plan.facts.title} here:\n{reasons}")
    return found


def _onnxruntime(_plan: Plan, onnx: Onnx) -> Iterator[Offer]:
    """ONNX Runtime with each provider that it was built with, the CPU first; those of the guides' cards are named anyway."""
    there = _providers()
    known = {full: short for short, full in providers.SHORT.items()}
    for name in dict.fromkeys((providers.CPU, *there, *known)):
        short = known.get(name, name.removesuffix("ExecutionProvider"))
        backend = ONNXRUNTIME if name == providers.CPU else f"{ONNXRUNTIME}-{short}"
        if name == _REMOTE:
            continue
        if not onnx.models:
            yield LeftOut(backend, None, onnx.reason)
        elif name not in there:
            reason = f"the onnxruntime installed here has no {name}; replace it: {providers.install(name)}"
            yield LeftOut(backend, None, reason)
        else:
            device = "CPU" if name == providers.CPU else _device_of(name)
            yield Candidate(backend, device, providers.precision(name), onnx.models)


def _providers() -> Sequence[str]:
    """Return ONNX Runtime's providers, asked in a process of its own: a broken one can end it."""
    ask = "import json, onnxruntime; print(json.dumps(onnxruntime.get_available_providers()))"
    code, printed = process.run([sys.executable, "-c", ask], "", seconds=_SECONDS, capture=True)
    last = printed.strip().rpartition("\n")[2]
    if code:
        raise GuideError(
            f"ONNX Runtime cannot be imported here: {last}. Install this directory's requirements.txt."
        )
    found: list[str] = json.loads(last)
    return found


def _device_of(name: str) -> str:
    return (
        trtexec.card()
        if name in (providers.CUDA, providers.TENSORRT)
        else "NPU"
        if name == providers.CANN
        else name
    )


def _openvino(_plan: Plan, onnx: Onnx) -> Iterator[Offer]:
    """OpenVINO in each precision."""
    return look_for_openvino(onnx)


def _trtexec(plan: Plan, onnx: Onnx) -> Iterator[Offer]:
    """NVIDIA's program, which the guides measure cards with."""
    program = trtexec.find(plan.folder)
    if not onnx.models:
        yield LeftOut(trtexec.NAME, None, onnx.reason)
    elif not program:
        yield LeftOut(trtexec.NAME, None, trtexec.REMEDY)
    else:
        rehearsed = trtexec.is_rehearsed(program)
        device = "CPU" if rehearsed else trtexec.card()
        precision = "float32" if rehearsed else "float16"
        yield Candidate(
            trtexec.NAME, device, precision, onnx.models, rehearsal=rehearsed, notes=trtexec.notes(rehearsed)
        )


def _torch(plan: Plan, _onnx: Onnx) -> Iterator[Offer]:
    """The published network itself, where torch and a checkpoint are there, or seeded weights where it is asked for."""
    if importlib.util.find_spec("torch") is None:
        yield LeftOut(
            TORCH,
            None,
            "torch is not installed: pip install -r requirements-export.txt, with its own index for the CPU",
        )
        return
    weights = checkpoint.find(plan.facts, plan.folder)
    if weights is None and TORCH not in plan.backends:
        places = ", ".join(f"{place}/" for place in checkpoint.PLACES if place)
        yield LeftOut(
            TORCH,
            None,
            f"no {plan.facts.checkpoint.file} in {places} or here; `--backends torch` takes seeded weights",
        )
        return
    yield Candidate(TORCH, "CPU", "float32", {None: weights or SEEDED})


_LOOKS: Mapping[str, Callable[[Plan, Onnx], Iterator[Offer]]] = {
    ONNXRUNTIME: _onnxruntime,
    OPENVINO: _openvino,
    OM: look_for_om,
    trtexec.NAME: _trtexec,
    TORCH: _torch,
}
