"""The element types of all tensors in a graph, from the operators' own definitions.

No shape is inferred, which takes constants, and of a damaged graph ends the program in some versions of onnx.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping

import onnx
from onnx import TensorProto, defs

from common.errors import GuideError
from common.graph.float16_operators import is_standard

Types = dict[str, int]  # an element type of TensorProto by the tensor's name; 0 for what is no tensor
_NAMES = {
    f"tensor({TensorProto.DataType.Name(kind).lower()})": kind for kind in TensorProto.DataType.values()
}
_BY_ATTRIBUTE = {
    "Bernoulli": "dtype",
    "Cast": "to",
    "EyeLike": "dtype",
    "Multinomial": "dtype",
    "RandomNormal": "dtype",
    "RandomNormalLike": "dtype",
    "RandomUniform": "dtype",
    "RandomUniformLike": "dtype",
}
# What these make where no attribute says it.
_ELSE = {"ConstantOfShape": TensorProto.FLOAT, "EyeLike": TensorProto.FLOAT, "Multinomial": TensorProto.INT32}
_CONSTANTS = {
    "value_float": TensorProto.FLOAT,
    "value_floats": TensorProto.FLOAT,
    "value_int": TensorProto.INT64,
    "value_ints": TensorProto.INT64,
}


def types_of(graph: onnx.GraphProto, opset: int, outer: Mapping[str, int] | None = None) -> Types:
    """Return the types of a graph's own tensors.

    Args:
        graph: a graph whose nodes are in order.
        opset: the version of ONNX's own operators.
        outer: the types of the tensors in graphs that it is in, and of what operators make that are not ONNX's own.

    Raises:
        GuideError: where the type of a node's output cannot be told.
    """
    untyped = [value.name for value in graph.input if not value.type.WhichOneof("value")]
    if untyped:
        raise GuideError(
            f"the input {untyped[0]!r} of a loop's or a condition's body says no type; export the model again."
        )
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input)}
    types |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    around = outer or {}
    for node in graph.node:
        told = [around.get(name) for name in node.output]
        made = told if told and None not in told else _made(node, opset, ChainMap(types, {**around}))
        types |= {name: kind or 0 for name, kind in zip(node.output, made, strict=False) if name}
    return types


def _made(node: onnx.NodeProto, opset: int, known: Mapping[str, int]) -> Iterator[int]:
    """Yield the type of each of a node's outputs."""
    if not is_standard(node):
        raise _unknown(node)
    attributes = {each.name: each for each in node.attribute}
    told = attributes.get(_BY_ATTRIBUTE.get(node.op_type, ""))
    branches = [each.g for each in node.attribute if each.type == onnx.AttributeProto.GRAPH]
    if branches:
        inside = types_of(branches[0], opset, known)
        yield from ({**known, **inside}.get(value.name, 0) for value in branches[0].output)
    elif told is not None:
        yield told.i
    elif node.op_type in ("Constant", "ConstantOfShape") and "value" in attributes:
        yield attributes["value"].t.data_type
    elif node.op_type == "Constant":
        yield _CONSTANTS.get(node.attribute[0].name if node.attribute else "", 0)
    elif node.op_type in _ELSE:
        yield _ELSE[node.op_type]
    else:
        yield from _by_schema(node, opset, known)


def _unknown(node: onnx.NodeProto) -> GuideError:
    return GuideError(
        f"the node {node.name or node.output[0]!r} ({node.op_type}) is of no operator of ONNX's own: half precision is not "
        "emulated of it."
    )


def _by_schema(node: onnx.NodeProto, opset: int, known: Mapping[str, int]) -> Iterator[int]:
    """Yield the types as the operator's definition has them: fixed ones, or those of inputs."""
    try:
        schema = defs.get_schema(node.op_type, opset, node.domain)
    except defs.SchemaError:
        raise _unknown(node) from None
    bound: dict[str, int] = {}
    for place, name in enumerate(node.input):
        formal = schema.inputs[min(place, len(schema.inputs) - 1)]
        if name:
            bound.setdefault(formal.type_str, known.get(name, 0))
    for place in range(len(node.output)):
        formal = schema.outputs[min(place, len(schema.outputs) - 1)]
        kind = bound.get(formal.type_str, _NAMES.get(formal.type_str))
        if kind is None:
            choices = [
                c.allowed_type_strs for c in schema.type_constraints if c.type_param_str == formal.type_str
            ]
            if not choices or len(choices[0]) != 1:
                raise _unknown(node)
            kind = _NAMES.get(choices[0][0], 0)
        yield kind
