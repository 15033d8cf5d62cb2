"""A network in ONNX Runtime, cut at ATC's own operators, which it has not: numpy computes these.

A piece is what can be computed before the next of them is; what is known of a piece's outputs is told to those after.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ascend_tools.rehearse.vendor_operators import is_vendors, run, types_of
from common.backends.onnxruntime import limit_memory, open_session
from common.errors import GuideError, about
from common.graph.bounds import memory
from common.graph.constants import constants

Array = NDArray[Any]
Shape = tuple[int | str | None, ...]


@dataclass
class _Piece:
    """Nodes for ONNX Runtime, and those of ATC's own operators that come after them."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    own: list[onnx.NodeProto] = field(default_factory=list)
    session: Any = None
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)

    def choose(self, weights: Mapping[str, TensorProto], wanted: set[str]) -> None:
        """Set what ONNX Runtime is given and asked for, of what is `wanted` afterwards; nothing runs for nothing."""
        made = [name for node in self.nodes for name in node.output if name]
        self.outputs = [name for name in made if name in wanted]
        if self.outputs:
            self.inputs = [name for name in _used(self.nodes) if name not in made and name not in weights]


class Network:
    """An open network; `path` is what messages call it. Without `optimise` its graph is run as it is written."""

    def __init__(self, proto: onnx.ModelProto, path: Path, *, optimise: bool = True) -> None:
        graph = proto.graph
        self._path, self._optimise = path, optimise
        self.outputs = [value.name for value in graph.output]
        self._kinds: dict[str, tuple[int, Shape | None]] = {
            value.name: (value.type.tensor_type.elem_type, _shape(value))
            for value in (*graph.input, *graph.output)
            if value.type.tensor_type.elem_type  # --out_nodes may name an inner one, of a type not on record
        }
        self._constants: dict[str, Array] = {}
        most = memory(proto)
        if not any(map(is_vendors, graph.node)):
            piece = _Piece(session=open_session(proto.SerializeToString(), path, most, optimise=optimise))
            piece.inputs = [value.name for value in piece.session.get_inputs()]
            piece.outputs = self.outputs
            self._pieces = [piece]
            self._note(piece)
            return
        weights = constants(graph)
        self._pieces = _cut(
            node for node in graph.node if node.op_type != "Constant" or node.output[0] not in weights
        )
        for at, piece in enumerate(self._pieces):
            wanted = {*self.outputs, *_used([*piece.own, *_nodes(self._pieces[at + 1 :])])}
            piece.choose(weights, wanted)
        self._check_wires({value.name for value in graph.input} | {*weights})
        for piece in self._pieces:
            self._open(piece, proto, weights, most)

    def _check_wires(self, there: set[str]) -> None:
        """Refuse a piece, a node of ATC's own, or an output, that uses what nothing makes before it."""
        for piece in self._pieces:
            steps = [(piece.inputs, piece.outputs)]
            steps += [(list(filter(None, node.input)), list(node.output)) for node in piece.own]
            for needed, made in steps:
                self._check_there(needed, there)
                there |= {*made}
        self._check_there(self.outputs, there)

    def _check_there(self, needed: Iterable[str], there: set[str]) -> None:
        lost = [name for name in needed if name not in there]
        if lost:
            raise GuideError(f"{self._path}: nothing makes {lost[0]!r} before it is used; export it again.")

    def _open(
        self,
        piece: _Piece,
        proto: onnx.ModelProto,
        weights: Mapping[str, TensorProto],
        most: int,
    ) -> None:
        """Open what ONNX Runtime runs of a piece, and note what is known of ATC's own operators' outputs."""
        types = types_of(proto)
        for node in piece.own:
            self._constants |= {
                name: numpy_helper.to_array(weights[name]) for name in node.input if name in weights
            }
            for name in node.output:
                self._kinds.setdefault(name, (types[name], None))
        if not piece.outputs:
            return
        graph = helper.make_graph(
            piece.nodes,
            "piece",
            [helper.make_tensor_value_info(name, *self._kinds[name]) for name in piece.inputs],
            [onnx.ValueInfoProto(name=name) for name in piece.outputs],
            [weights[name] for name in _used(piece.nodes) if name in weights],
        )
        part = helper.make_model(graph, opset_imports=proto.opset_import, ir_version=proto.ir_version)
        piece.session = open_session(part.SerializeToString(), self._path, most, optimise=self._optimise)
        self._note(piece)

    def _note(self, piece: _Piece) -> None:
        """Note types, and shapes where the file says none, of what ONNX Runtime makes in a piece."""
        for value in piece.session.get_outputs():
            kind, shape = self._kinds.get(value.name, (0, None))
            self._kinds[value.name] = (kind or _kind(value.type), shape or tuple(value.shape))

    def described(self) -> list[tuple[str, Shape | None]]:
        """Return the type, as numpy names it, and the shape of each output as far as it is known before a run."""
        found = (self._kinds[name] for name in self.outputs)
        return [(str(helper.tensor_dtype_to_np_dtype(kind)), shape) for kind, shape in found]

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run a batch: arrays by input name to arrays in the order of `outputs`."""
        values: dict[str, Array] = {**self._constants, **feeds}
        for piece in self._pieces:
            if piece.session:
                given = {name: values[name] for name in piece.inputs}
                try:
                    made = piece.session.run(piece.outputs, given)
                except Exception as error:  # noqa: BLE001  onnxruntime's exceptions share no base class of their own
                    raise GuideError(f"ONNX Runtime cannot run this model on this input: {error}") from None
                values.update(zip(piece.outputs, made, strict=True))
            for node in piece.own:
                with about(self._path):
                    made = run(node, [values[name] for name in node.input if name])
                values.update(zip(node.output, made, strict=True))
        return [values[name] for name in self.outputs]

    def close(self) -> None:
        """Release the sessions and their memory."""
        self._pieces.clear()
        limit_memory(2**30)


def _cut(nodes: Iterable[onnx.NodeProto]) -> list[_Piece]:
    """Return the pieces: each node in the first where all that it uses is there."""
    pieces = [_Piece()]
    since: dict[str, int] = {}  # the piece in which a value is there
    for node in nodes:
        at = max((since.get(name, 0) for name in _used([node])), default=0)
        own = is_vendors(node)
        (pieces[at].own if own else pieces[at].nodes).append(node)
        since |= dict.fromkeys(node.output, at + own)
        if own and len(pieces) == at + 1:
            pieces.append(_Piece())
    return pieces


def _nodes(pieces: Iterable[_Piece]) -> Iterator[onnx.NodeProto]:
    for piece in pieces:
        yield from (*piece.nodes, *piece.own)


def _used(nodes: Iterable[onnx.NodeProto]) -> dict[str, None]:
    """Return the names that nodes use, those within branches too, in their order and once."""
    found: dict[str, None] = {}
    for node in nodes:
        found |= dict.fromkeys(filter(None, node.input))
        for attribute in node.attribute:
            for branch in (attribute.g, *attribute.graphs):
                inner = {name for each in branch.node for name in each.output}
                found |= {name: None for name in _used(branch.node) if name not in inner}
                found |= {value.name: None for value in branch.output if value.name not in inner}
    return found


def _shape(value: onnx.ValueInfoProto) -> Shape | None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return tuple(dim.dim_value if dim.dim_value > 0 else dim.dim_param or None for dim in tensor.shape.dim)


def _kind(text: str) -> int:
    """Return ONNX's number of a type as ONNX Runtime names it, `tensor(float)`."""
    name = text.removeprefix("tensor(").removesuffix(")")
    names = {"float": "float32", "double": "float64"}
    return int(helper.np_dtype_to_tensor_dtype(np.dtype(names.get(name, name))))
