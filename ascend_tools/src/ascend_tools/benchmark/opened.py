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

ONNXRUNTIME, OM, TORCH = "onnxruntime", "om", "torch"
SEEDED = Path("seeded random weights")  # in the place of a checkpoint


def provider_of(backend: str) -> str:
    """Return ONNX Runtime's name of the provider that `onnxruntime` or `onnxruntime-...` stands for."""
    short = backend.removeprefix(ONNXRUNTIME).lstrip("-")
    return SHORT.get(short, f"{short}ExecutionProvider") if short else CPU


def open_backend(
    backend: str, path: Path, folder: Path, devices: Sequence[int] = (), *, optimise: bool = True
) -> Backend:
    """Open a file of the model directory `folder`: an ONNX or OM file, or a checkpoint for torch, SEEDED for none.

    It is checked to be that network. Without `optimise` the graph is run as it is written.
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
    else:
        runtime = Runtime(ONNXRUNTIME, provider_of(backend))
    return open_deployed(path, runtime, facts, folder, own_modules(folder).optional, optimise=optimise)
