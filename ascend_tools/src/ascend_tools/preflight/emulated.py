"""A network in emulated half precision beside itself in float32: how far its outputs are off, for one list after another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ascend_tools.compare.differences import Difference
from common.backends.onnxruntime import open_session
from common.errors import GuideError, about
from common.graph.bounds import memory
from common.graph.float16 import emulate
from common.graph.float16_modes import Modes
from common.graph.float16_rounding import rounded
from common.graph.outline import describe

Array = NDArray[Any]
HELD = 2**31  # bytes of outputs in float32 that are kept to compare with


@dataclass(frozen=True)
class Graph:
    """A network's graph with the rounding of half precision; `key` tells it from any other."""

    proto: onnx.ModelProto
    data: bytes
    half: tuple[str, ...]
    key: str


class Emulated:
    """A network whose outputs in half precision are compared with those in float32, on the same inputs.

    Args:
        proto: the loaded model.
        path: what messages call it.
        batches: yields the batches of its only input, the same each time.
        name: that input's name.
    """

    def __init__(
        self, proto: onnx.ModelProto, path: Path, batches: Callable[[], Iterable[Array]], name: str
    ) -> None:
        self._proto, self._path, self._batches, self._name = proto, path, batches, name
        values = describe(proto).outputs
        self.outputs = [value.name for value in values if np.dtype(value.dtype).kind == "f"]
        if not self.outputs:
            raise GuideError(f"{path}: has no output in float32, so that there is nothing to compare.")
        self._wanted: list[list[Array]] = []

    def graph(self, modes: Modes) -> Graph:
        """Return the graph that computes in half precision."""
        with about(self._path):
            made = emulate(self._proto, modes)
        data = made.proto.SerializeToString(deterministic=True)
        return Graph(made.proto, data, made.half, hashlib.sha256(data).hexdigest())

    def apart(self, graph: Graph) -> dict[str, float]:
        """Return how far each output is off: the root mean square of the differences, by the spread of all its numbers.

        It is infinite where a number that is finite in float32 is none any more.
        """
        sums = {name: Difference() for name in self.outputs}
        reference = self._reference()
        for batch, wanted in zip(self._run(graph.proto, graph.data), reference, strict=True):
            for name, found, right in zip(self.outputs, batch, wanted, strict=True):
                self._check(graph, name, found)
                sums[name].add(found, right)
        figures = {name: each.figures() for name, each in sums.items()}
        return {name: each.relative(each.rms) for name, each in figures.items()}

    def _check(self, graph: Graph, name: str, found: Array) -> None:
        """Refuse an output that is to be in half precision and is not: then the runtime changed the rounding."""
        part = found.reshape(-1)[:4096]
        if name in graph.half and not np.array_equal(part, rounded(part, saturates=False), equal_nan=True):
            raise GuideError(
                f"{self._path}: output {name!r} is not in half precision as it is to be: this ONNX Runtime changes the "
                "emulation; install another version of it."
            )

    def _reference(self) -> list[list[Array]]:
        """Return the outputs in float32, batch by batch; they are computed when they are first needed."""
        held = 0
        for batch in () if self._wanted else self._run(self._proto, self._proto.SerializeToString()):
            for name, values in zip(self.outputs, batch, strict=True):
                held += values.nbytes
                if not np.isfinite(values).all():
                    raise GuideError(
                        f"the output {name!r} holds values that are not finite, in float32; mend the model or its inputs, "
                        "then look at half precision."
                    )
            if held > HELD:
                raise GuideError(f"the outputs for all inputs have more than {HELD} bytes; lower --limit.")
            self._wanted.append(batch)
        return self._wanted

    def _run(self, proto: onnx.ModelProto, data: bytes) -> Iterable[list[Array]]:
        """Yield the outputs, batch by batch, of a graph that is run as it is written."""
        session = open_session(data, self._path, memory(proto), optimise=False)
        for batch in self._batches():
            yield session.run(self.outputs, {self._name: batch})
