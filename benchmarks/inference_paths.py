"""The ways to run a network that `inference.py` compares: ours, as evaluate.py opens it, and others' as they come.

Ours take what the deployed network takes, uint8 where it has AIPP, and are called by as many threads at once as they
have views for. The others get the file as it is exported, with its float32 inputs made beforehand, and one thread calls
them, with nothing set.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_tools.benchmark.plan import evaluate_module, own_modules
from common.backends.base import Array, Backend, models_of
from common.backends.deployed import Runtime, open_deployed
from common.backends.null import Null
from common.backends.openvino import library, precisions
from common.backends.torch import Torch
from common.facts import Facts, read_facts
from common.graph import outline
from common.graph.outline import Value

if TYPE_CHECKING:
    from typing_extensions import Self

ROOT = Path(__file__).resolve().parent.parent
AT_ONCE = 64  # batches that are promised to ours: a data set has more of them than there are cores
REFERENCE = "reference"  # ONNX Runtime with the graph as it is written
EAGER, COMPILED = "torch eager", "torch.compile"


@dataclass(frozen=True)
class Way:
    """A way to run a network: ours with a `--backend` and a `--precision`, or another's."""

    name: str
    ours: bool = False
    backend: str = ""
    precision: str = "float32"


def ways(reduced: str | None) -> list[Way]:
    """Return all ways, ours first; `reduced` is the precision below float32 that the CPU does best, None for none."""
    found = [Way(f"--backend {name}", True, name) for name in ("auto", "onnxruntime", "openvino")]
    if reduced:
        found.append(Way(f"--backend auto --precision {reduced}", True, "auto", reduced))
    return [*found, *(Way(name) for name in OTHERS)]


def reduced_precision() -> str | None:
    """Return the precision below float32 that this CPU has units for, bfloat16 before float16; None for none."""
    if importlib.util.find_spec("openvino") is None:
        return None
    return next(iter(precisions(library().Core())[1:]), None)


@dataclass(frozen=True)
class Opened:
    """A network that is open: its views, what it computes in, and what else is to be known of it."""

    models: Sequence[Backend]
    precision: str
    note: str = ""


def open_way(way: Way, model: Path, checkpoint: Path | None, folder: Path, batch_size: int) -> Opened:
    """Open a network, an ONNX file of the model directory `folder`, or its torch network, seeded without a checkpoint."""
    facts = read_facts(folder)
    if way.name == REFERENCE or way.ours:
        runtime = Runtime(way.backend, precision=way.precision)
        deployed = open_deployed(
            model,
            runtime,
            facts,
            folder,
            own_modules(folder).optional,
            optimise=way.name != REFERENCE,
            batch_size=batch_size,
            at_once=AT_ONCE if way.ours else 1,
        )
        models = models_of(deployed)
        return Opened(models, deployed.precision, f"{deployed.name}, {len(models)} at once")
    return OTHERS[way.name](model, checkpoint, folder, facts)


class _Plain:
    """A call of somebody else's, as a backend."""

    name, identity = "", ""

    def __init__(
        self, path: Path, precision: str, call: Callable[[Mapping[str, Array]], Sequence[Array]]
    ) -> None:
        graph = outline.describe(outline.load(path))
        self.inputs, self.outputs, self.precision, self._call = graph.inputs, graph.outputs, precision, call

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        return list(self._call(feeds))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is held that ends before the process does."""


def _onnxruntime(path: Path, _: Path | None, __: Path, ___: Facts) -> Opened:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    return Opened([_Plain(path, "float32", lambda feeds: session.run(None, dict(feeds)))], "float32")


def _openvino(path: Path, _: Path | None, __: Path, ___: Facts) -> Opened:
    openvino = library()
    core = openvino.Core()
    compiled = core.compile_model(str(path), "CPU")
    told = {
        node.get_rt_info()["runtimePrecision"].astype(str) for node in compiled.get_runtime_model().get_ops()
    }
    precision = "bfloat16" if "bf16" in told else "float16" if "f16" in told else "float32"
    threads = compiled.get_property("INFERENCE_NUM_THREADS")
    model = _Plain(path, precision, lambda feeds: list(compiled(dict(feeds)).values()))
    return Opened([model], precision, f"{threads} threads")


def _torch(path: Path, checkpoint: Path | None, folder: Path, facts: Facts) -> Opened:
    return _opened(_network(checkpoint, folder), path, facts)


def _compiled(path: Path, checkpoint: Path | None, folder: Path, facts: Facts) -> Opened:
    import torch

    return _opened(torch.compile(_network(checkpoint, folder)), path, facts)


def _network(checkpoint: Path | None, folder: Path) -> Any:
    return evaluate_module(folder).load(checkpoint)


def _opened(network: Any, path: Path, facts: Facts) -> Opened:
    inputs = outline.describe(outline.load(path)).inputs
    outputs = [Value(tensor.name, tensor.dtype, tensor.shape) for tensor in facts.outputs]
    return Opened([Torch(network, Null(inputs, outputs, (), 0))], "float32")


OTHERS: Mapping[str, Callable[[Path, Path | None, Path, Facts], Opened]] = {
    "ONNX Runtime": _onnxruntime,
    "OpenVINO": _openvino,
    EAGER: _torch,
    COMPILED: _compiled,
}
