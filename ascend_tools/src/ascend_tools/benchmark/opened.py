"""Opening a backend by the name that the benchmark has for it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ascend_tools.benchmark.plan import evaluate_module, own_modules
from common.backends.base import Backend
from common.backends.deployed import Runtime, open_deployed
from common.backends.null import Null
from common.backends.providers import CPU, SHORT
from common.backends.torch import Torch
from common.facts import read_facts
from common.graph.aipp_check import chip_inputs
from common.graph.aipp_file import named_aipp
from common.graph.outline import Value

ONNXRUNTIME, OPENVINO, OM, TORCH = "onnxruntime", "openvino", "om", "torch"
SEEDED = Path("seeded random weights")  # in the place of a checkpoint


def openvino_name(precision: str) -> str:
    """Return what OpenVINO is called in a precision: `openvino`, or with another than float32 `openvino-bfloat16`."""
    return OPENVINO if precision == "float32" else f"{OPENVINO}-{precision}"


def is_openvino(backend: str) -> bool:
    """Tell whether a name is one of `openvino_name`."""
    return backend.partition("-")[0] == OPENVINO


def shares_cores(backend: str) -> bool:
    """Tell whether a backend computes on the CPU's cores and can run several batches at once on them."""
    return backend == ONNXRUNTIME or is_openvino(backend)


def provider_of(backend: str) -> str:
    """Return ONNX Runtime's name of the provider that `onnxruntime` or `onnxruntime-...` stands for."""
    short = backend.removeprefix(ONNXRUNTIME).lstrip("-")
    return SHORT.get(short, f"{short}ExecutionProvider") if short else CPU


def open_backend(
    backend: str,
    path: Path,
    folder: Path,
    devices: Sequence[int] = (),
    *,
    optimise: bool = True,
    batch_size: int = 1,
    at_once: int = 1,
) -> Backend:
    """Open a file of the model directory `folder`: an ONNX or OM file, or a checkpoint for torch, SEEDED for none.

    It is checked to be that network. Without `optimise` the graph is run as it is written. What shares the CPU's cores is
    opened for batches of `batch_size`, up to `at_once` of them at the same time.
    """
    facts = read_facts(folder)
    if backend == TORCH:
        aipp = named_aipp(facts, folder)
        inputs = chip_inputs(aipp, facts.inputs)
        outputs = [Value(tensor.name, tensor.dtype, tensor.shape) for tensor in facts.outputs]
        network = evaluate_module(folder).load(None if path.name == SEEDED.name else path)
        return Torch(network, Null(inputs, outputs, (), 0), aipp)
    if backend == OM:
        runtime = Runtime(OM, devices=tuple(devices))
    elif is_openvino(backend):
        runtime = Runtime(OPENVINO, precision=backend.partition("-")[2] or "float32")
    else:
        runtime = Runtime(ONNXRUNTIME, provider_of(backend))
    return open_deployed(
        path,
        runtime,
        facts,
        folder,
        own_modules(folder).optional,
        optimise=optimise,
        batch_size=batch_size,
        at_once=at_once,
    )
