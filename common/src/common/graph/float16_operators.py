"""What operators do with numbers in half precision: which only move them, which leave its range, which mean something else.

Names are ONNX's, of its own domain; what is said holds for every operator set, but where it is said otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

import onnx


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Products: the matrix unit (cube) reads half precision and adds in float32. ATC has a recurrent layer as one operator of it.
PRODUCTS = _names("Conv ConvTranspose DeformConv Einsum Gemm MatMul LSTM GRU RNN")
# Their outputs are numbers that they read, or such as half precision has anyway: nothing is left to round.
_MOVES = _names(
    "Abs Ceil CenterCropPad Compress Concat DepthToSpace Dropout Expand Flatten Floor Gather GatherElements GatherND "
    "Hardmax Identity Max MaxUnpool Min Neg OneHot ReduceMax ReduceMin Relu Reshape "
    "ReverseSequence Round Sign Slice SpaceToDepth Split Squeeze Tile TopK Transpose Trilu Unique Unsqueeze Where"
)
# The same, unless a number that they may put in comes from an attribute: it is an input from this operator set on.
_MOVES_FROM = {"Clip": 11, "Pad": 11}
# The same, unless they compute something in between.
_MOVES_IN_MODE = {
    "Resize": ("mode", b"nearest"),
    "Upsample": ("mode", b"nearest"),
    "ScatterElements": ("reduction", b"none"),
    "ScatterND": ("reduction", b"none"),
}
_DEFAULTS = {"mode": b"nearest", "reduction": b"none"}
# Inputs that say how to compute, and are no numbers of the data flow: ATC takes them as constants in float32, and Ascend's
# BatchNorm has its four parameters in float32 whatever its data are.
_PARAMETERS: Mapping[str, frozenset[int]] = {
    "BatchNormalization": frozenset((1, 2, 3, 4)),
    "DequantizeLinear": frozenset((1,)),
    "Dropout": frozenset((1,)),
    "NonMaxSuppression": frozenset((3, 4)),
    "QuantizeLinear": frozenset((1,)),
    "Resize": frozenset((1, 2)),
    "Upsample": frozenset((1,)),
}
# Outputs that stay in range whatever is read. The largest of numbers none of which is one (NaN) is ONNX Runtime's lowest
# float32, so that poolings are rounded.
_BOUNDED = _names(
    "AveragePool Cos Erf GlobalMaxPool HardSigmoid MaxPool MaxRoiPool Sigmoid Sin Softmax Softsign Tanh"
)
# Further ones that are a number wherever all inputs are finite; any other may be 0/0, or a root of a negative number.
_NUMBERS = _names(
    "Add Cast Celu Conv ConvTranspose Elu Exp Gelu Gemm GlobalAveragePool HardSwish LeakyRelu LogSoftmax MatMul Mean Mish "
    "Mul PRelu ReduceL1 ReduceL2 ReduceMean ReduceSum ReduceSumSquare Resize Selu Softplus Sub Sum Upsample"
)
# Reductions of the vector unit, by what they make of what they add up.
MEANS = frozenset(("GlobalAveragePool", "ReduceMean"))
ROOTS = frozenset(("ReduceL2",))


def is_standard(node: onnx.NodeProto) -> bool:
    """Tell whether a node is of ONNX's own domain."""
    return node.domain in ("", "ai.onnx")


def moves(node: onnx.NodeProto, opset: int) -> bool:
    """Tell whether a node's outputs are in half precision already, where its inputs are."""
    operator = node.op_type
    if not is_standard(node):
        return False
    if operator in _MOVES_IN_MODE:
        name, value = _MOVES_IN_MODE[operator]
        found = [attribute.s for attribute in node.attribute if attribute.name == name]
        return (found or [_DEFAULTS[name]]) == [value] and not _puts_in(node)
    return operator in _MOVES or opset >= _MOVES_FROM.get(operator, opset + 1)


def _puts_in(node: onnx.NodeProto) -> bool:
    """Tell whether a Resize puts a number of its own where it would read beside the map."""
    return any(
        a.name == "coordinate_transformation_mode" and a.s == b"tf_crop_and_resize" for a in node.attribute
    )


def is_parameter(node: onnx.NodeProto, place: int) -> bool:
    """Tell whether an input, by its place, is one that says how to compute, and is read in float32."""
    return is_standard(node) and place in _PARAMETERS.get(node.op_type, ())


def stays_in_range(node: onnx.NodeProto) -> bool:
    """Tell whether no output can leave the range of half precision, where the inputs are in it."""
    return is_standard(node) and node.op_type in _BOUNDED


def stays_a_number(node: onnx.NodeProto) -> bool:
    """Tell whether no output can be NaN, where all inputs are finite."""
    return is_standard(node) and node.op_type in (_BOUNDED | _NUMBERS)
