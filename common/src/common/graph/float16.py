"""A network as it computes in half precision on an NPU: its graph, with the rounding written into it.

Every tensor that an NPU has in half precision (IEEE binary16) is rounded to it and kept as float32: what a node reads
(weights, inputs of the network, what a node in float32 made) and what it makes. Inside a node numbers are float32, as the
matrix unit adds; but what the vector unit reduces is rounded in between: the sum of a mean before it is divided, the sum of
squares before its root is taken. In what order and type it adds is the kernel's choice, which this is the harsher one of.

Left in float32, beside what `float16_modes.Modes` says:
- what ATC computes itself before there is an OM file: nodes that depend on constants and shapes alone. It is rounded where
  another node reads it.
- inputs that say how to compute, such as Resize's scales: see `float16_operators.is_parameter`.
- what is computed of regions that a network selects (NonMaxSuppression), up to the next product or pooling: ATC has
  PSROIPooling and its kin as one operator, which counts in float32.

Not touched: numbers that are no float32 (whole numbers, truth values, float64), and what is float16 in the file. What ATC
folds into the weights of a convolution is rounded as it is written; --is_weight_clip is not emulated. An If's and a Scan's
bodies are rewritten in the same way, and what they return is rounded again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import onnx
from onnx import TensorProto, numpy_helper

from common.cli import counted, shorten
from common.errors import GuideError
from common.graph.constants import constants
from common.graph.float16_modes import FLOAT, Modes, Rounding
from common.graph.float16_operators import PRODUCTS, is_parameter, moves
from common.graph.float16_rounding import Rounder, bodies, rounded
from common.graph.float16_types import Types, types_of

_OPSET = 9  # from which IsNaN is there
_MOST = 2**31 - 2**26  # bytes: a graph in memory has fewer than 2 GiB, and the rounding adds some
_SHAPES = ("Shape", "Size")
_REGIONS = "NonMaxSuppression"
_POOLS = frozenset(("MaxRoiPool", "RoiAlign"))


@dataclass(frozen=True)
class Emulated:
    """A rewritten network: `half` are the outputs that are in half precision, `kept` the nodes in float32 by operator."""

    proto: onnx.ModelProto
    half: tuple[str, ...]
    nodes: int
    kept: Mapping[str, int]

    def __str__(self) -> str:
        """Say of how many nodes that is."""
        total = sum(self.kept.values())
        by_type = sorted(self.kept.items(), key=lambda each: (-each[1], each[0]))
        told = f": {shorten([f'{count} {operator}' for operator, count in by_type], 5)}" if total else ""
        return f"{total} of {counted(self.nodes, 'node')} in float32{told}"


def emulate(proto: onnx.ModelProto, modes: Modes, others: Mapping[str, int] | None = None) -> Emulated:
    """Return a model that computes as an NPU does in half precision; its inputs and outputs stay what they are.

    It has to be run as it is written: an optimiser that moves or joins the casts changes the numbers.

    Args:
        proto: the model, with its weights; it is not changed.
        modes: what is rounded, and how.
        others: by the name of the tensor, the element types of what operators make that are not ONNX's own.

    Raises:
        GuideError: for a model that is too old or too large, or whose types are not known.
    """
    opset = next(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    if opset < _OPSET:
        raise GuideError(
            f"half precision is emulated from opset {_OPSET} on, found {opset}; export the model again."
        )
    size = proto.ByteSize()
    if size >= _MOST:
        raise GuideError(f"the model has {size} bytes; half precision is emulated of fewer than {_MOST}.")
    made = onnx.ModelProto()
    made.CopyFrom(proto)
    rounder = Rounder(made.graph, opset, saturates=modes.saturates)
    counts: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    scope = _Scope(made.graph, modes, opset, rounder, (counts, kept), others or {})
    scope.rewrite()
    made.graph.initializer.extend(rounder.constants())
    half = tuple(value.name for value in made.graph.output if scope.is_half(value.name))
    return Emulated(made, half, counts.total(), dict(+kept))


class _Scope:
    """A graph that is rewritten, in the graphs that it is in; `counts` are of its nodes, and of those in float32."""

    # Of tensors, those of the graphs around too: their types; which are in half precision, computed by ATC itself,
    # computed of selected regions; and whether what makes them computes in half precision.
    types: Types
    half: set[str]
    known: set[str]
    regions: set[str]
    by_half: dict[str, bool]

    def __init__(
        self,
        graph: onnx.GraphProto,
        modes: Modes,
        opset: int,
        rounder: Rounder,
        counts: tuple[Counter[str], Counter[str]],
        around: _Scope | Mapping[str, int],
    ) -> None:
        self._graph, self._modes, self._opset, self._rounder = graph, modes, opset, rounder
        self._counts = counts
        outer = around if isinstance(around, _Scope) else None
        types = around.types if isinstance(around, _Scope) else around
        own = types_of(graph, opset, types)
        self.types = {**types, **own}
        fed = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
        self._constants = {name: tensor for name, tensor in constants(graph).items() if name not in fed}
        self.half = (outer.half if outer else set()) - own.keys()
        self.known = ((outer.known if outer else set()) - own.keys()) | self._constants.keys()
        self.regions = (outer.regions if outer else set()) - own.keys()
        before = outer.by_half if outer else {}
        self.by_half = {name: half for name, half in before.items() if name not in own}
        self._copies: dict[str, str] = {}  # by tensor, its copy in half precision
        self._nodes: list[onnx.NodeProto] = []

    def is_half(self, name: str) -> bool:
        """Tell whether a tensor is in half precision."""
        return name in self.half

    def _is_float(self, name: str) -> bool:
        return self.types.get(name) == TensorProto.FLOAT

    def rewrite(self) -> None:
        """Write the rounding into the graph."""
        for node in [*self._graph.node]:
            self._add(node)
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        self._drop_unused()

    def _add(self, node: onnx.NodeProto) -> None:
        """Add a node, after deciding how it computes."""
        read = [name for name in node.input if name]
        known = bool(read) and all(name in self.known for name in read) and not any(bodies(node))
        if known or node.op_type in (*_SHAPES, "Constant"):
            self.known.update(node.output)
            self._nodes.append(node)
            return
        ends = node.op_type in PRODUCTS | _POOLS
        of_regions = not ends and any(name in self.regions for name in read)
        if of_regions or node.op_type == _REGIONS:
            self.regions.update(node.output)
        before = next((self.by_half[name] for name in read if name in self.by_half), False)
        rounding = FLOAT if of_regions else self._modes.rounding(node, before)
        if any(map(self._is_float, (*read, *node.output))):
            everything, kept = self._counts
            everything[node.op_type] += 1
            kept[node.op_type] += rounding == FLOAT
        self.by_half.update(dict.fromkeys(node.output, rounding.outputs))
        self._write(node, rounding)

    def _write(self, node: onnx.NodeProto, rounding: Rounding) -> None:
        """Add a node, with the rounding of what it reads and makes."""
        if rounding.inputs:
            for place, name in enumerate(node.input):
                if name and self._is_float(name) and name not in self.half and not is_parameter(node, place):
                    node.input[place] = self._copy(name)
        has_bodies = False
        for body in bodies(node):
            has_bodies = True
            _Scope(body, self._modes, self._opset, self._rounder, self._counts, self).rewrite()
        self._nodes.append(node)
        if not rounding.outputs:
            return
        made = [place for place, name in enumerate(node.output) if name and self._is_float(name)]
        self.half.update(node.output[place] for place in made)
        if moves(node, self._opset) and not has_bodies:
            return
        for place in made:
            name = node.output[place]
            node.output[place] = self._rounder.new(f"{name}/float32")
            self._nodes += self._rounder.after(node, node.output[place], name)

    def _copy(self, name: str) -> str:
        """Return the name of a tensor's copy in half precision, made where it is first needed."""
        if name not in self._copies:
            copy = self._rounder.new(f"{name}/float16")
            if name in self._constants:
                values = numpy_helper.to_array(self._constants[name])
                tensor = numpy_helper.from_array(rounded(values, saturates=self._rounder.saturates), copy)
                self._graph.initializer.append(tensor)
            else:
                self._nodes += self._rounder.nodes(name, copy)
            self._copies[name] = copy
            self.types[copy] = TensorProto.FLOAT
            self.half.add(copy)
        return self._copies[name]

    def _drop_unused(self) -> None:
        """Remove weights that are only read in half precision, so that they are not held twice."""
        read = {value.name for value in self._graph.output} | set(_read(self._graph.node))
        unused = {tensor.name for tensor in self._graph.initializer} - read
        for field in (self._graph.initializer, self._graph.input):
            kept = [each for each in field if each.name not in unused]
            del field[:]
            field.extend(kept)


def _read(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
    """Yield what nodes read, in bodies, too."""
    for node in nodes:
        yield from node.input
        for body in bodies(node):
            yield from _read(body.node)
            yield from (value.name for value in body.output)
