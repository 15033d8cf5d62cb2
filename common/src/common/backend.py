"""Running a deployed model: open it, run batches of named arrays, close it.

The interface is small so that other runtimes fit behind it; everything else (files, batching, timing)
stays outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from common import onnx_graph
from common.aipp import Aipp, fold, named_aipp
from common.errors import GuideError
from common.model_toml import ModelToml, Tensor
from common.onnx_graph import Value

Array = NDArray[Any]
BACKENDS = ("onnxruntime",)


class Backend(Protocol):
    """An open model. Shapes have the batch first; a dynamic batch is a name instead of a number."""

    name: str
    precision: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch: arrays by input name to arrays in the order of `outputs`."""

    def close(self) -> None:
        """Release the model."""


class OnnxRuntime:
    """ONNX Runtime on the CPU, with as many threads as it chooses."""

    name = "onnxruntime"
    precision = "float32"

    def __init__(self, path: Path, aipp: Aipp | None = None, *, optimise: bool = True) -> None:
        import onnxruntime  # noqa: PLC0415  a deployment that runs models otherwise does not have it

        model = onnx_graph.load(path)
        if aipp:
            model = fold(model, aipp)
        graph = onnx_graph.describe(model)
        self.inputs, self.outputs = graph.inputs, graph.outputs
        source = model.SerializeToString() if aipp else str(path)
        del model  # a large network need not be in memory once more
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; the warnings are about the graph optimiser's own doings
        options.enable_mem_pattern = False  # it keeps the memory for the maps twice, and gains no time
        if not optimise:
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            self._session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  onnxruntime's exceptions share no base class of their own
            raise GuideError(f"{path}: ONNX Runtime cannot load this model: {error}") from None

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch, see `Backend.run`."""
        try:
            arrays: list[Array] = self._session.run([value.name for value in self.outputs], dict(feeds))
        except Exception as error:  # noqa: BLE001  as above
            raise GuideError(f"ONNX Runtime cannot run this model on this input: {error}") from None
        return arrays

    def close(self) -> None:
        """Release the session and its memory."""
        del self._session


def open_model(
    path: Path, backend: str | None = None, aipp: Aipp | None = None, *, optimise: bool = True
) -> Backend:
    """Open a model with the backend of that name, or with the one its suffix calls for.

    With `aipp`, the one image input becomes uint8 NHWC, as it is in an OM file. Without `optimise` the graph is run as
    it is written, which is how two graphs are compared: an optimiser can turn different ones into the same.
    """
    if path.suffix != ".onnx":
        raise GuideError(
            f"{path}: expected an .onnx file. An .om file runs on the NPU, with the guide's benchmark command."
        )
    if backend not in (None, *BACKENDS):
        raise GuideError(f"unknown backend {backend!r}; there is {', '.join(BACKENDS)}.")
    return OnnxRuntime(path, aipp, optimise=optimise)


def open_deployed(
    path: Path, backend: str | None, model: ModelToml, folder: Path, further: Sequence[Tensor] = ()
) -> Backend:
    """Open the deployed form of a model directory's network, with its AIPP file, and check it is that network.

    `further` are the inputs that another form of it has after those that model.toml says.
    """
    aipp = named_aipp(model, folder)
    opened = open_model(path, backend, aipp)
    inputs = (*model.inputs, *further) if len(opened.inputs) > len(model.inputs) else model.inputs
    expected = [(tensor.name, tensor.image_shape) for tensor in (*inputs, *model.outputs)]
    if aipp:  # the picture comes as it is stored, channels last
        (name, (channels, height, width)), *outputs = expected
        expected = [(name, (height, width, channels)), *outputs]
    found = [(value.name, value.shape[1:]) for value in (*opened.inputs, *opened.outputs)]
    if found != expected:
        raise GuideError(f"{path}: not {model.title}: expected inputs and outputs {expected}, found {found}.")
    return opened


def fixed_batch(model: Backend) -> int | None:
    """Return the batch size a model was built for, or None if its batch is dynamic."""
    first = model.inputs[0].shape[0]
    return first if isinstance(first, int) else None


def choose_batch_size(model: Backend, asked: int | None) -> int:
    """Return the batch size to run with: what was asked for, else the model's own, else 1."""
    fixed = fixed_batch(model)
    if fixed and asked and asked > fixed:
        raise GuideError(f"the model was built for batches of {fixed}; --batch-size {asked} is more.")
    return asked or fixed or 1


def run_batch(model: Backend, *inputs: Array) -> list[Array]:
    """Run a batch, Nx... for each of a model's inputs in order; a smaller batch than a fixed one is padded.

    The last image is repeated up to the model's own batch size, and those rows of the outputs are cut off.
    Outputs that are not finite are an error.
    """
    count = len(inputs[0])
    size = max(count, fixed_batch(model) or count)
    if count < size:
        inputs = tuple(np.concatenate((rows, np.repeat(rows[-1:], size - count, axis=0))) for rows in inputs)
    outputs = model.run({value.name: rows for value, rows in zip(model.inputs, inputs, strict=True)})
    for value, output in zip(model.outputs, outputs, strict=True):
        if output.shape[:1] != (size,):
            raise GuideError(
                f"output {value.name!r} has the shape {output.shape} for {size} images; the batch must be first."
            )
        if not np.isfinite(output).all():
            raise GuideError(f"output {value.name!r} holds values that are not finite.")
    return [output[:count] for output in outputs]
