"""What every backend is: an open network that runs batches of named arrays.

The interface is small so that other runtimes fit behind it; everything else (files, batching, timing)
stays outside.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.graph.bounds import INPUT
from common.graph.outline import Shape, Value, item_shape
from common.report.emulated import EMULATED

if TYPE_CHECKING:
    from typing_extensions import Self

Array = NDArray[Any]
_OVERFLOW = (
    " Where float16 overflows, convert with a higher precision: python -m common.atc --option "
    "precision_mode=must_keep_origin_dtype shows whether that is the cause."
)


class Backend(Protocol):
    """An open network. Shapes have the batch first; a dynamic batch is a name instead of a number.

    `identity` tells the network, with the preprocessing that is built into it, from any other.
    """

    name: str
    precision: str
    identity: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch: arrays by input name to arrays in the order of `outputs`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the network and its memory."""


def models_of(deployed: Backend) -> Sequence[Backend]:
    """Return the network on each of its devices, for `engine.stream.run`; mostly there is one."""
    models: Sequence[Backend] = getattr(deployed, "models", (deployed,))
    return models


def emulation_of(deployed: Backend) -> str:
    """Return how a backend emulates half precision, nothing where it does not."""
    told: str = getattr(deployed, "emulation", "")
    return told


def network_seconds(deployed: Backend, calls: float, count: int, batch_size: int) -> float:
    """Return how long `count` items were in the network, of the seconds of all calls, as many of which are made at once."""
    return calls / min(len(models_of(deployed)), math.ceil(count / batch_size))


def fixed_batch(deployed: Backend) -> int | None:
    """Return the batch size a model was built for, or None if its batch is dynamic."""
    first = deployed.inputs[0].shape[0]
    return first if isinstance(first, int) else None


def choose_batch_size(deployed: Backend, asked: int | None) -> int:
    """Return the batch size to run with: what was asked for, else the model's own, else 1."""
    fixed = fixed_batch(deployed)
    if fixed and asked and asked > fixed:
        raise GuideError(f"the model was built for batches of {fixed}; --batch-size {asked} is more.")
    return asked or fixed or 1


def random_feeds(inputs: Sequence[Value], batch_size: int) -> dict[str, Array]:
    """Return a batch of random numbers for each input, of the model's own size where that is fixed.

    Floats are normally distributed around 0, whole numbers and bytes those of a byte; a GiB at most for each input.
    """
    random, feeds = np.random.default_rng(0), {}
    for value in inputs:
        first, kind = value.shape[0], np.dtype(value.dtype)
        shape = (first if isinstance(first, int) else batch_size, *item_shape(value))
        if math.prod(shape) * kind.itemsize > INPUT:
            raise GuideError(
                f"a batch of the input {value.name!r} would have {math.prod(shape) * kind.itemsize} bytes, more than "
                f"{INPUT}; lower --batch-size."
            )
        if kind.kind == "f":
            feeds[value.name] = random.standard_normal(shape, np.float32).astype(kind, copy=False)
        else:
            most = 1 if kind.kind == "b" else 127 if kind == np.int8 else 255
            feeds[value.name] = random.integers(0, most + 1, shape, np.uint8).astype(kind, copy=False)
    return feeds


def run_batch(deployed: Backend, feeds: Mapping[str, Array]) -> list[Array]:
    """Run a batch, see `feed`, and check what comes out, see `check_outputs`."""
    outputs = feed(deployed, feeds)
    check_outputs(deployed, outputs)
    return outputs


def feed(deployed: Backend, feeds: Mapping[str, Array]) -> list[Array]:
    """Run a batch, Nx... for each input by name; a smaller batch than a fixed one is padded.

    The last item is repeated up to the model's own batch size, and those rows of the outputs are cut off.
    """
    arrays = {value.name: feeds[value.name] for value in deployed.inputs}
    count = len(arrays[deployed.inputs[0].name])
    size = max(count, fixed_batch(deployed) or count)
    if count < size:
        arrays = {name: _padded(rows, size) for name, rows in arrays.items()}
    outputs = deployed.run(arrays)
    for value, output in zip(deployed.outputs, outputs, strict=True):
        if output.shape[:1] != (size,):
            raise GuideError(
                f"output {value.name!r} has the shape {output.shape} for {size} images; the batch must be first."
            )
        if value.shape and not _has_shape(output, value.shape):
            raise GuideError(
                f"output {value.name!r} has the shape {output.shape}, the model says {value.shape}; export it again."
            )
    return [output[:count] for output in outputs]


def _has_shape(output: Array, shape: Shape) -> bool:
    """Tell whether an output has a shape but for the batch; a dynamic dimension is of any size."""
    sides = zip(output.shape[1:], shape[1:], strict=False)
    return output.ndim == len(shape) and all(side == dim for side, dim in sides if isinstance(dim, int))


def check_outputs(deployed: Backend, outputs: Sequence[Array]) -> None:
    """Refuse outputs that are not finite."""
    for value, output in zip(deployed.outputs, outputs, strict=True):
        if not _is_finite(output):
            on_npu = deployed.name.startswith("om ") or deployed.precision == EMULATED
            remedy = _OVERFLOW if on_npu else ""
            raise GuideError(f"output {value.name!r} holds values that are not finite.{remedy}")


def _is_finite(output: Array) -> bool:
    """Tell whether all values are finite; the sum of squares is, if they are, and takes half the time."""
    if output.dtype == np.float32:
        flat = output.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            if math.isfinite(np.dot(flat, flat)):
                return True  # else it may be too large a sum
    return bool(np.isfinite(output).all())


def _padded(rows: Array, size: int) -> Array:
    return np.concatenate((rows, np.repeat(rows[-1:], size - len(rows), axis=0)))
