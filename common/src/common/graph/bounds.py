"""What an ONNX file may promise: memory follows the size of the file and of its inputs, not a number in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from common.errors import GuideError, about
from common.graph.constants import constants
from common.graph.external import tensors

INPUT = (
    2**30
)  # bytes of one batch of an input; the guides' largest has 0.8 GiB: FaceBoxes, 64 pictures in float32
VALUES = (
    2**27
)  # numbers that one node makes of constants, half a GiB in float32; the guides' networks make 10^5
_SHAPE = 128  # numbers; more than any shape has
# Operators whose output has the sides, or so many times the input's, that these of their inputs hold.
_SIZES = {
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "MaxUnpool": (2,),
    "OneHot": (1,),
    "Resize": (1, 2, 3),
    "Tile": (1,),
    "Upsample": (1,),
}
_BYTES: dict[int, int] = {
    int(kind): onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize
    for kind in (
        *(TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE, TensorProto.BOOL),
        *(TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64),
        *(TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64),
    )
}
_ENDS = {
    kind: size for kind, size in _BYTES.items() if kind != TensorProto.BFLOAT16
}  # what numpy has numbers for


def check_ends(path: Path, graph: onnx.GraphProto) -> None:
    """Refuse inputs and outputs that are no arrays of numbers, and inputs without dimensions or of a size beyond INPUT."""
    if not all(isinstance(name, str) for each in _graphs(graph) for name in _names(each)):  # bytes
        raise GuideError(f"{path}: not a valid ONNX file: it holds names that are no UTF-8; export it again.")
    given = {tensor.name for tensor in graph.initializer}
    for what, values in (("input", graph.input), ("output", graph.output)):
        for value in values:
            kind = value.type.WhichOneof("value") or "no type"
            tensor = value.type.tensor_type
            if kind != "tensor_type" or tensor.elem_type not in _ENDS:
                found = _name(tensor.elem_type) if kind == "tensor_type" else kind.removesuffix("_type")
                raise GuideError(
                    f"{path}: expected the {what} {value.name!r} to be an array of numbers, found {found}."
                )
            if what == "output" or value.name in given:
                continue
            if not tensor.shape.dim:
                raise GuideError(
                    f"{path}: the input {value.name!r} has no dimensions; the batch must be the first."
                )
            size = _bytes(value)
            if size > INPUT:
                shape = tuple(dim.dim_value or dim.dim_param or "?" for dim in tensor.shape.dim)
                raise GuideError(
                    f"{path}: the input {value.name!r} has the shape {shape}, {size} bytes, more than {INPUT}; export "
                    "the model for a smaller batch."
                )


def check_tensors(path: Path, proto: onnx.ModelProto) -> None:
    """Refuse weights that are not as many numbers as their dimensions say, or in a form that grows when it is read."""
    sparse = [tensor.values.name for graph in _graphs(proto.graph) for tensor in graph.sparse_initializer]
    sparse += [node.name for graph in _graphs(proto.graph) for node in graph.node if _is_sparse(node)]
    if sparse:
        raise GuideError(
            f"{path}: {sparse[0]!r} is sparse, which is not read here; export the model without."
        )
    for tensor in tensors(proto):
        try:
            count, size = math.prod(tensor.dims), _BYTES.get(tensor.data_type)
            if min(tensor.dims, default=0) < 0 or (size is None and tensor.data_type != TensorProto.STRING):
                raise ValueError
            if (
                math.prod(max(dim, 1) for dim in tensor.dims) >= 2**56
            ):  # none at all, of sides that numpy has not
                raise ValueError
            if tensor.HasField("raw_data"):
                if len(tensor.raw_data) != count * (size or 0):
                    raise ValueError
            else:
                _check_count(tensor, count)
        except (ValueError, TypeError, OverflowError):
            raise GuideError(
                f"{path}: expected the weight {tensor.name!r} to hold {_name(tensor.data_type)} of the shape "
                f"{tuple(tensor.dims)}, found other data; export the model again."
            ) from None


def _check_count(tensor: TensorProto, count: int) -> None:
    """Refuse a tensor whose numbers are written one by one, and are not `count`, or none of its type."""
    field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
    if len(getattr(tensor, field)) != count or numpy_helper.to_array(tensor).size != count:
        raise ValueError


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for branch in (attribute.g, *attribute.graphs):
                yield from _graphs(branch)


def _names(graph: onnx.GraphProto) -> Iterator[object]:
    """Yield the names in a graph; protobuf gives those that are no UTF-8 as bytes."""
    for value in (*graph.input, *graph.output, *graph.initializer):
        yield value.name
    for value in (*graph.input, *graph.output):
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _is_sparse(node: onnx.NodeProto) -> bool:
    return any(each.HasField("sparse_tensor") or each.sparse_tensors for each in node.attribute)


def check_values(path: Path, proto: onnx.ModelProto) -> None:
    """Refuse a node that makes more than VALUES numbers of what it is given, as far as constants of the file tell.

    Loops, and functions, which can call others twice over and over, are refused: nothing bounds the time that they take.
    Shapes are not inferred here: of a damaged graph that ends the program in some versions of onnx.
    """
    endless = [
        node.name or node.op_type
        for graph in _graphs(proto.graph)
        for node in graph.node
        if node.op_type == "Loop"
    ]
    endless += [function.name for function in proto.functions]
    if endless:
        raise GuideError(
            f"{path}: {endless[0]!r} is a loop or a function, which the guides' networks do not have and which are not "
            "run here; export the model without."
        )
    for graph in _graphs(proto.graph):
        small = {
            name: tensor for name, tensor in constants(graph).items() if math.prod(tensor.dims) <= _SHAPE
        }
        arrays = {name: numpy_helper.to_array(tensor) for name, tensor in small.items()}
        with about(path):
            for node in graph.node:
                check_node(node, arrays)


def check_node(node: onnx.NodeProto, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse a node that makes more than VALUES numbers, or so many times its input, of the arrays that are known."""
    factor = _factor(node, arrays)
    if factor > VALUES:
        raise GuideError(
            f"the node {node.name or next(iter(node.output), '')!r} ({node.op_type}) makes {factor:.3g} numbers, or so "
            f"many times its input, more than is run here, {VALUES}; export the model again."
        )


def _factor(node: onnx.NodeProto, known: Mapping[str, NDArray[Any]]) -> float:
    """Return how many numbers a node makes, or how many times its input; 1 where the arrays known do not say."""

    def numbers(at: int) -> list[float]:
        name = node.input[at] if at < len(node.input) else ""
        values = known.get(name, np.zeros(0))
        small = values.size <= _SHAPE and values.dtype.kind in "iuf"
        return values.astype(np.float64).ravel().tolist() if small else []

    attributes = {each.name: each for each in node.attribute}

    def own(name: str) -> list[float]:
        return [*attributes[name].ints, *attributes[name].floats] if name in attributes else []

    sides: list[float] = []
    if node.op_type in _SIZES:
        sides = [side for at in _SIZES[node.op_type] for side in numbers(at)]
    elif node.op_type == "Pad":
        sides = [1 + abs(pad) for pad in numbers(1) or own("pads")]
    elif node.op_type == "Range" and all(limits := [numbers(at) for at in range(3)]):
        (first,), (last,), (step,) = (limit[:1] for limit in limits)
        sides = [(last - first) / step if step else math.inf]
    sides += [side for name in ("shape", "output_shape", "scales") for side in own(name)]
    return math.prod(max(abs(side), 1.0) for side in sides if not math.isnan(side))


def memory(proto: onnx.ModelProto) -> int:
    """Return the bytes that running a loaded model may take: a GiB, and by the sizes of its weights and of a batch.

    The guides' networks take less than a third of it. A dynamic batch counts as 1024.
    """
    inputs = _inputs(proto)
    dynamic = any(value.type.tensor_type.shape.dim[0].dim_value <= 0 for value in inputs)
    fed: int = sum(map(_bytes, inputs))
    return 2**30 + 4 * weights(proto) + 64 * (1024 if dynamic else 1) * fed


def weights(proto: onnx.ModelProto) -> int:
    """Return the bytes of a loaded model's weights."""
    return sum(_BYTES.get(tensor.data_type, 1) * math.prod(tensor.dims) for tensor in tensors(proto))


def working(proto: onnx.ModelProto) -> int:
    """Return about how many bytes one batch takes in ONNX Runtime beside the weights; a dynamic batch counts as 1.

    Measured: 11 to 28 float32 values for each number of the guides' inputs; 32 are counted.
    """
    return 32 * 4 * sum(map(_count, _inputs(proto)))


def _inputs(proto: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Return the inputs that are fed; older files list the weights among them."""
    given = {tensor.name for tensor in proto.graph.initializer}
    return [value for value in proto.graph.input if value.name not in given]


def _bytes(value: onnx.ValueInfoProto) -> int:
    """Return the size of a value where its dynamic dimensions are 1."""
    return _BYTES.get(value.type.tensor_type.elem_type, 1) * _count(value)


def _count(value: onnx.ValueInfoProto) -> int:
    """Return how many numbers a value has where its dynamic dimensions are 1."""
    return math.prod(max(dim.dim_value, 1) for dim in value.type.tensor_type.shape.dim)


def _name(kind: int) -> str:
    """Return ONNX's name of an element type, in small letters."""
    return (
        TensorProto.DataType.Name(kind).lower() if kind in TensorProto.DataType.values() else f"type {kind}"
    )
