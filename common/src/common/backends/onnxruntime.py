"""ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from common.backends.base import Array
from common.errors import GuideError
from common.files import file_hash
from common.graph import outline
from common.graph.aipp import Aipp, fold

if TYPE_CHECKING:
    from typing_extensions import Self


class OnnxRuntime:
    """ONNX Runtime on the CPU, with as many threads as it chooses."""

    name = "onnxruntime"
    precision = "float32"

    def __init__(self, path: Path, aipp: Aipp | None = None, *, optimise: bool = True) -> None:
        import onnxruntime

        proto = outline.load(path)
        if aipp:
            proto = fold(proto, aipp)
        self.identity = f"{file_hash(path)} {aipp}"
        graph = outline.describe(proto)
        self.inputs, self.outputs = graph.inputs, graph.outputs
        source = proto.SerializeToString() if aipp else str(path)
        del proto  # a large network need not be in memory once more
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Release the session and its memory."""
        del self._session
