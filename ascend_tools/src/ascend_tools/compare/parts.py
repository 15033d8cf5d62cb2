"""Which tensors of a graph are compared, and in which parts, so that what is held at once is bounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper

from ascend_tools.preflight.node_by_node import Arrays, NodeByNode, reads

# Of the tensors of a part, on either side, beside what the network itself takes: a run of the network for each part.
BYTES = 2**29
_SHAPES = ("Shape", "Size")


@dataclass(frozen=True)
class Tensor:
    """A tensor that a node makes: its type as numpy names it, its dimensions, its bytes in one batch.

    `of_data` tells whether it depends on what the network's input holds.
    """

    name: str
    dtype: str
    rank: int
    bytes: int
    of_data: bool

    @property
    def is_float(self) -> bool:
        """Whether it is of those that another precision replaces."""
        return np.dtype(self.dtype) in (np.float32, np.float64)


@dataclass(frozen=True)
class Part:
    """Nodes by their positions in the graph, and the tensors that they take and make, in the graph's order."""

    nodes: tuple[int, ...]
    tensors: tuple[Tensor, ...]


def tensors_of(graph: NodeByNode, inputs: Iterable[str], feeds: Arrays) -> dict[str, Tensor]:
    """Run a batch node by node, and return the tensors that its nodes make, by name and in order."""
    found: dict[str, Tensor] = {}
    of_data = _of_data(graph.nodes, inputs)

    def look(_index: int, _taken: Arrays, made: Arrays) -> None:
        for name, array in made.items():
            found[name] = Tensor(name, str(array.dtype), array.ndim, array.nbytes, name in of_data)

    graph.run(feeds, look)
    return found


def _of_data(nodes: Iterable[onnx.NodeProto], inputs: Iterable[str]) -> set[str]:
    """Return the tensors that are not known before the network runs: those of constants and shapes are."""
    found = set(inputs)
    for node in nodes:
        if node.op_type not in _SHAPES and any(name in found for name in reads(node)):
            found.update(node.output)
    return found


def measured(graph: NodeByNode, tensors: Mapping[str, Tensor]) -> list[int]:
    """Return the positions of the nodes that make a float of what the input holds."""
    return [
        index
        for index, node in enumerate(graph.nodes)
        if any(name in tensors and tensors[name].is_float and tensors[name].of_data for name in node.output)
    ]


def parts(
    graph: NodeByNode, tensors: Mapping[str, Tensor], most: int, at_once: float = math.inf
) -> list[Part]:
    """Return the measured nodes in parts whose tensors have `most` bytes, and are `at_once`, if one node alone has no more."""
    found: list[Part] = []
    nodes: list[int] = []
    names: set[str] = set()
    for index in measured(graph, tensors):
        node = graph.nodes[index]
        own = {name for name in (*reads(node), *node.output) if name in tensors}
        both = names | own
        if nodes and (sum(tensors[name].bytes for name in both) > most or len(both) > at_once):
            found.append(_part(nodes, names, tensors))
            nodes, both = [], own
        nodes, names = [*nodes, index], both
    return [*found, _part(nodes, names, tensors)] if nodes else found


def _part(nodes: Sequence[int], names: set[str], tensors: Mapping[str, Tensor]) -> Part:
    return Part(tuple(nodes), tuple(tensor for name, tensor in tensors.items() if name in names))


def with_outputs(model: onnx.ModelProto, tensors: Sequence[Tensor]) -> onnx.ModelProto:
    """Return a model with these tensors as its outputs, and only the nodes that they need."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    graph = cut.graph
    needed = {tensor.name for tensor in tensors}
    kept: list[onnx.NodeProto] = []
    for node in reversed(model.graph.node):
        if any(name in needed for name in node.output):
            needed.update(reads(node))
            kept.append(node)
    del graph.node[:], graph.output[:]
    graph.node.extend(reversed(kept))
    weights = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    unused = {tensor.name for tensor in model.graph.initializer} - needed
    inputs = [
        value for value in model.graph.input if value.name not in unused
    ]  # older files list weights there
    del graph.initializer[:], graph.input[:]
    graph.initializer.extend(weights)
    graph.input.extend(inputs)
    graph.output.extend(
        helper.make_tensor_value_info(
            t.name, helper.np_dtype_to_tensor_dtype(np.dtype(t.dtype)), [None] * t.rank
        )
        for t in tensors
    )
    return cut
