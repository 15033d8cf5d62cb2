"""An ONNX graph run node after node, so that every intermediate array can be looked at under its name in the file.

Each node is a session of ONNX Runtime of its own: nothing is fused or reordered, every node runs once per batch, and
an array is dropped after its last use. Memory is therefore that of a plain inference, whatever is looked at. The other
ways were worse: a graph that returns its intermediate tensors keeps all of them at once, or has to be run again for
each group of them; nodes appended to reduce them inside the graph hold them as long as the runtime's order pleases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from common.backends.providers import library
from common.errors import GuideError
from common.graph.bounds import check_node
from common.graph.constants import constants

Array = NDArray[Any]
Arrays = Mapping[str, Array]


def reads(node: onnx.NodeProto) -> list[str]:
    """Return the names of the values a node takes, with those that its branches take from outside."""
    names = [name for name in node.input if name]
    for attribute in node.attribute:
        for branch in (attribute.g, *attribute.graphs):
            own = {name for child in branch.node for name in child.output}
            own |= {value.name for value in (*branch.input, *branch.initializer)}
            taken = [name for child in branch.node for name in reads(child)]
            names += [name for name in (*taken, *(v.name for v in branch.output)) if name not in own]
    return list(dict.fromkeys(names))


def node_name(node: onnx.NodeProto) -> str:
    """Return a node's name, or that of its first output where the exporter gave none."""
    return node.name or node.output[0]


class NodeByNode:
    """The nodes of a loaded model, in the file's order, ready to run at any batch size the model allows.

    `weights` are the initializers and the values of Constant nodes. `skipped` maps the position of each node that
    could not be run so far to the reason: ONNX Runtime has no such operator, or another one's result is missing.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes = list(model.graph.node)
        self.skipped: dict[int, str] = {}
        self._model = model
        self._sessions: dict[int, Any] = {}
        self._tensors = constants(model.graph)
        self._last_use = {name: index for index, node in enumerate(self.nodes) for name in reads(node)}

    @property
    def weights(self) -> Iterator[tuple[str, Array]]:
        """Yield the constants of the file by name."""
        return ((name, numpy_helper.to_array(tensor)) for name, tensor in self._tensors.items())

    def run(self, feeds: Arrays, look: Callable[[int, Arrays, Arrays], None]) -> None:
        """Run one batch and call `look` with each node's position, and the arrays it took and made by name.

        An array lives until the last node that takes it has been looked at, so `look` must not keep any.
        """
        values = {name: array for name, array in feeds.items() if name in self._last_use}
        for index, node in enumerate(self.nodes):
            if any(name in self._tensors for name in node.output):
                continue
            names = [name for name in reads(node) if name not in self._tensors]
            missing = [name for name in names if name not in values]
            if missing:
                self.skipped.setdefault(index, f"takes {missing[0]!r}, which could not be made")
                continue
            inputs = {name: values[name] for name in names}
            outputs = self.run_node(index, inputs)
            if outputs:
                look(index, inputs, outputs)
            for name in names:
                if self._last_use[name] == index:
                    del values[name]
            values.update({name: array for name, array in outputs.items() if name in self._last_use})
            del outputs  # not to be held while the next node runs

    def run_node(self, index: int, inputs: Arrays) -> dict[str, Array]:
        """Run one node on these arrays; nothing comes back where ONNX Runtime has no such operator."""
        node = self.nodes[index]
        if index not in self._sessions and index not in self.skipped:
            try:
                self._sessions[index] = self._open(node, inputs)
            except Exception as error:  # noqa: BLE001  onnxruntime's exceptions share no base class of their own
                self.skipped[index] = f"ONNX Runtime cannot load it: {str(error).splitlines()[0]}"
        if index in self.skipped:
            return {}
        names = [name for name in node.output if name]
        check_node(node, inputs)
        try:
            arrays = self._sessions[index].run(names, dict(inputs))
        except Exception as error:  # noqa: BLE001  as above
            raise GuideError(
                f"ONNX Runtime cannot run the node {node_name(node)!r} on this input: {error}"
            ) from None
        # A sequence of arrays has no place in what follows: what takes it is skipped.
        return {n: array for n, array in zip(names, arrays, strict=True) if isinstance(array, np.ndarray)}

    def _open(self, node: onnx.NodeProto, inputs: Arrays) -> Any:
        """Return a session of this node alone. Without shapes in its inputs it takes any batch size."""
        onnxruntime = library()
        graph = helper.make_graph(
            [node],
            "node",
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), None)
                for name, array in inputs.items()
            ],
            [onnx.ValueInfoProto(name=name) for name in node.output if name],
            [self._tensors[name] for name in reads(node) if name in self._tensors],
        )
        model = helper.make_model(
            graph,
            opset_imports=self._model.opset_import,
            ir_version=self._model.ir_version,
            functions=self._model.functions,
        )
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4  # that an operator is unknown is told by the exception
        options.intra_op_num_threads = 1  # a pool of threads per node costs more than it gives
        options.enable_cpu_mem_arena = False  # each arena would keep its largest arrays
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
