"""Every node of a graph on both sides: how far its output is off, and how much of that the node adds.

What a node adds is measured with float32 in its place: it is run in float32 on the very inputs that the other side gives it.
Its own error is what the other side makes of these inputs, beside that. The rest of its output's difference was there in its
inputs; where that is more than twice as much, in units of its output's size, as in units of theirs, as where two nearly equal
tensors are subtracted, the node adds what is more. Less than that is how a sigmoid or an activation bends what it is given.
All of it as root mean squares in units of the tensor's own, its size. Not of its spread: a gate of 0.5, give or take 0.001,
loses most of that in half precision, which a product behind it does not feel; where it is felt, as by a subtraction of 0.5,
the node that feels it is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from ascend_tools.compare.differences import Array, Difference, Figures, RootMeanSquare, ratio
from ascend_tools.compare.parts import Part
from ascend_tools.preflight.node_by_node import NodeByNode, node_name, reads
from common.errors import GuideError

Arrays = Mapping[str, Array]
_MORE = 2.0  # times its inputs' differences that a node makes of them, from which on it adds


@dataclass(frozen=True)
class Apart:
    """How far a node's output is off, in units of its size, the root mean square of its numbers in float32.

    Attributes:
        index: the node's position in the graph.
        apart: the root mean square of its output's differences; infinite where a number is no longer finite.
        before: the largest such one of what it takes.
        own: the root mean square of what its output differs by from what float32 makes of the same inputs, in units of the
            larger of that and the tensor; None where that could not be run.
        passed: the same as `apart` of what float32 makes of these inputs, and of the output in float32; None as above.
        infinite, nan, saturated: numbers of its output, see `differences.Figures`.
        selects: whether it takes whole numbers, as indices, that are others on the other side: then it makes something else of
            the same values, and its difference says nothing about rounding.
    """

    index: int
    node: str
    op_type: str
    output: str
    elements: int
    size: float
    largest: float
    apart: float
    before: float
    own: float | None
    passed: float | None
    infinite: int
    nan: int
    saturated: int
    selects: bool = False

    @property
    def adds(self) -> float:
        """How much the node adds: its own error, and what it makes of differences in its inputs beyond their size."""
        own, passed = self.own or 0.0, self.apart if self.passed is None else self.passed
        return own + (passed - self.before if passed > _MORE * self.before else 0.0)


class Nodes:
    """What is added up of the nodes of a part."""

    def __init__(self, graph: NodeByNode, part: Part) -> None:
        self._graph = graph
        self._tensors = {tensor.name: tensor for tensor in part.tensors}
        self._part = part
        self._apart: dict[str, Difference] = {name: Difference() for name in self._floats(self._tensors)}
        self._own: dict[str, RootMeanSquare] = {}
        self._passed: dict[str, RootMeanSquare] = {}
        self._selecting: set[int] = set()

    def _floats(self, names: Iterable[str]) -> list[str]:
        return [name for name in names if name in self._tensors and self._tensors[name].is_float]

    def add(self, feeds: Arrays, found: Arrays, wanted: Arrays) -> None:
        """Add a batch: the network's inputs as its nodes take them, and the tensors of the part on both sides."""
        for name, apart in self._apart.items():
            if name in found:
                apart.add(found[name], wanted[name])
        for index in self._part.nodes:
            self._add(index, feeds, found, wanted)

    def _add(self, index: int, feeds: Arrays, found: Arrays, wanted: Arrays) -> None:
        node = self._graph.nodes[index]
        taken = {}
        for name in reads(node):
            is_index = name in found and name in wanted and name not in self._apart
            if is_index and not np.array_equal(found[name], wanted[name]):
                self._selecting.add(index)
            array = next((each[name] for each in (found, wanted, feeds) if name in each), None)
            if array is not None:  # else a constant, which the node has
                taken[name] = array
        try:
            made = self._graph.run_node(index, taken)
        except GuideError:  # of inputs whose shapes do not go together any more
            return
        for name in self._floats(node.output):
            if name in made and name in found:
                self._own.setdefault(name, RootMeanSquare()).add(found[name], made[name])
                self._passed.setdefault(name, RootMeanSquare()).add(made[name], wanted[name])

    def figures(self) -> list[Apart]:
        """Return what was added up of each node; of several outputs, the one that is furthest off."""
        figures = {name: each.figures() for name, each in self._apart.items()}
        found = []
        for index in self._part.nodes:
            node = self._graph.nodes[index]
            outputs = [name for name in self._floats(node.output) if figures[name].elements]
            if outputs:
                before = [figures[name].apart for name in self._floats(reads(node))]
                found.append(
                    max(
                        (
                            self._of(index, node, name, figures[name], max(before, default=0.0))
                            for name in outputs
                        ),
                        key=lambda each: (each.adds, each.apart),
                    )
                )
        return found

    def _of(self, index: int, node: onnx.NodeProto, name: str, figures: Figures, before: float) -> Apart:
        own, passed = self._own.get(name), self._passed.get(name)
        return Apart(
            index=index,
            node=node_name(node),
            op_type=node.op_type,
            output=name,
            elements=figures.elements,
            size=figures.size,
            largest=figures.largest,
            apart=figures.apart,
            before=before,
            # What was blown up before the node is rounded as large numbers are, which is no fault of the node.
            own=ratio(own.value, max(figures.size, own.size)) if own else None,
            passed=ratio(passed.value, figures.size) if passed else None,
            infinite=figures.infinite,
            nan=figures.nan,
            saturated=figures.saturated,
            selects=index in self._selecting,
        )


def first_apart(found: Sequence[Apart], bound: float) -> list[Apart]:
    """Return the nodes whose output is off by more than a bound, and nothing that they take is."""
    return [each for each in found if each.apart > bound >= each.before]


def most_added(found: Sequence[Apart], bound: float = 0.0) -> list[Apart]:
    """Return the nodes that add more than a bound, the most first; of those that are equal, the first in the graph."""
    return sorted((each for each in found if each.adds > bound), key=lambda each: (-each.adds, each.index))
