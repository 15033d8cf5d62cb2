"""The outputs that all backends' are compared with: ONNX Runtime's on the CPU, of the graph as it is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from ascend_tools.benchmark import outputs
from ascend_tools.benchmark.child import Left
from ascend_tools.benchmark.measurements import Candidate, Outputs
from ascend_tools.benchmark.onnx_at_hand import Onnx
from ascend_tools.benchmark.opened import ONNXRUNTIME
from ascend_tools.benchmark.outputs import Differences
from common import cli
from common.engine.task import Array
from common.facts import Facts
from common.graph.outline import describe, load


class Start(Protocol):
    """Runs a measuring process, and returns what it left."""

    def __call__(
        self, candidate: Candidate, sizes: Iterable[int], name: str, *, compare: bool, reference: bool = False
    ) -> Left:
        """Run it for some batch sizes of a candidate, see `measure.Request`."""


class References:
    """The reference's outputs for the first items, computed once for each ONNX file, in a process of its own."""

    def __init__(self, facts: Facts, onnx: Onnx, differences: Differences, start: Start) -> None:
        self._facts, self._onnx, self._differences, self._start = facts, onnx, differences, start
        self._known: dict[Path, list[Array] | str] = {}

    def of(self, size: int) -> list[Array] | str:
        """Return the outputs with which those of batches of a size are compared, or why there are none."""
        onnx = self._onnx.reference(size)
        if onnx is None:
            return f"not compared: {self._onnx.reason}"
        if onnx not in self._known:
            cli.announce(f"running {onnx} as it is written, to compare outputs with")
            first = describe(load(onnx, check=False)).inputs[0].shape[0]
            own = first if isinstance(first, int) else 1
            written = Candidate(ONNXRUNTIME, "CPU", "float32", {own: onnx})
            left = self._start(written, [own], f"reference_{onnx.stem}", compare=True, reference=True)
            if left.interrupted:
                raise KeyboardInterrupt
            path = left.outputs.get(own)
            self._known[onnx] = (
                outputs.read(path) if path else f"not compared: the reference failed: {left.reason}"
            )
        return self._known[onnx]

    def compare(self, candidate: Candidate, size: int, path: Path) -> Outputs:
        """Compare the outputs in a file, which is removed, with the reference's."""
        wanted, found = self.of(size), outputs.read(path)
        path.unlink()
        if isinstance(wanted, str):
            return Outputs(candidate.backend, candidate.device, candidate.precision, size, None, wanted)
        return outputs.compare(self._facts, candidate, size, found, wanted, self._differences)
