"""Finding a known piece in a graph, node by node, from its outputs backwards; the first difference is an error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from common.errors import GuideError
from common.graph.constants import constants

EXPORT = "Expected a file that pth2onnx.py wrote in the guide's form, unchanged."
LARGE = 1200  # values; more than the pieces' own constants have: the network's weights


@dataclass(frozen=True)
class Match:
    """A piece found in a graph: what its values are called there, and its nodes by the piece's first output."""

    names: dict[str, str]
    nodes: dict[str, NodeProto]


def find(graph: GraphProto, piece: GraphProto, outputs: Mapping[str, str]) -> Match:
    """Return where a piece is in a graph, given what its outputs are called there.

    Operators, attributes, wiring and constants have to be those of the piece.
    """
    producers = {name: node for node in graph.node for name in node.output}
    known, wanted = constants(graph), constants(piece)
    names, nodes = dict(outputs), {}
    readers: dict[str, str] = {}
    for node in reversed(piece.node):
        value = next(name for name in node.output if name in names)
        found = producers.get(names[value])
        if found is None:
            raise GuideError(
                f"{names[value]!r}: expected to come from {node.op_type}, is no node's. {EXPORT}"
            )
        _compare(found, node, readers.get(value, "the output"))
        nodes[node.output[0]] = found
        for name, there in zip([*node.output, *node.input], [*found.output, *found.input], strict=True):
            if name in wanted:
                _compare_constant(found, there, known.get(there), wanted[name])
            elif names.setdefault(name, there) != there:
                raise GuideError(f"node {found.name!r}: expected {names[name]!r}, found {there!r}. {EXPORT}")
            if name in node.input:
                readers.setdefault(name, f"node {found.name!r}")
    return Match(names, nodes)


def _compare(found: NodeProto, wanted: NodeProto, reader: str) -> None:
    """Compare two nodes but for the names of their values; `reader` says what uses them."""
    if (found.op_type, found.domain) != (wanted.op_type, wanted.domain):
        raise GuideError(
            f"node {found.name!r}: expected {wanted.op_type} there, for {reader}, found {found.op_type}. {EXPORT}"
        )
    there, here = (
        {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        for node in (found, wanted)
    )
    if there != here:
        raise GuideError(
            f"node {found.name!r}: expected {wanted.op_type} with {here}, found {there}. {EXPORT}"
        )
    counts = [(len(node.input), len(node.output)) for node in (found, wanted)]
    if counts[0] != counts[1]:
        raise GuideError(
            f"node {found.name!r}: expected {counts[1][0]} inputs and {counts[1][1]} outputs, found {counts[0][0]} and "
            f"{counts[0][1]}. {EXPORT}"
        )


def _compare_constant(node: NodeProto, name: str, found: TensorProto | None, wanted: TensorProto) -> None:
    """Compare what a node is given with a constant of the piece, value by value."""
    expected = numpy_helper.to_array(wanted)
    if found is None or math.prod(found.dims) > LARGE:
        what = "a value computed" if found is None else "one of the network's weights"
    else:
        values = numpy_helper.to_array(found)
        if values.dtype == expected.dtype and np.array_equal(values, expected):
            return
        what = f"{values.dtype} {values.tolist()}"
    raise GuideError(
        f"node {node.name!r}: expected {name!r} to be {expected.dtype} {expected.tolist()}, found {what}. {EXPORT}"
    )
