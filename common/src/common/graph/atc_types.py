"""ATC's names of operators, which are not ONNX's, and the lists of them that its --modify_mixlist takes.

Sources. The operator plugins and fusion passes that Ascend published (ops/built-in/framework/onnx_plugin,
ops/built-in/fusion_pass); CANN documentation: "ATC, --modify_mixlist", "Ascend IR operators".
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import msgspec

from common.errors import GuideError
from common.files import read_text

# The operator types that --modify_mixlist takes are those of the graph that ATC compiles, not those of the file.
# Registered under these names (similar_opp_plugins.cc, <operator>_plugin.cc); a trailing D is the form that a constant
# argument gives an operator (REGISTER_CONST2ATTR); GlobalAveragePool becomes ReduceMeanD (globalavgpool_fusion_pass.cc).
# Operators that ATC turns into one thing or another, as it finds it best, have no entry.
ATC_TYPES = {
    **{
        name: name
        for name in ("Abs", "Add", "Ceil", "Cos", "Cosh", "Erf", "Exp", "Floor", "Identity", "LeakyRelu")
    },
    **{
        name: name
        for name in ("Log", "Mul", "Neg", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign")
    },
    **{name: name for name in ("Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Tan", "Tanh")},
    "AveragePool": "AvgPoolV2",
    "Concat": "ConcatD",
    "Conv": "Conv2D",
    "ConvTranspose": "Conv2DTransposeD",
    "Div": "RealDiv",
    "Gemm": "MatMulV2",
    "GlobalAveragePool": "ReduceMeanD",
    "MatMul": "BatchMatMulV2",
    "Pad": "PadV3",
    "ReduceL2": "LpNorm",
    "ReduceMax": "ReduceMaxD",
    "ReduceMean": "ReduceMeanD",
    "ReduceMin": "ReduceMinD",
    "ReduceSum": "ReduceSumD",
    "ReduceSumSquare": "SquareSumV1",
    "Softmax": "SoftmaxV2",
    "Where": "SelectV2",
}

# Further types of that graph, without the endings D and V2, V3, ... that their forms have.
_FURTHER = """
AccumulateN Acos Acosh AdaptiveAvgPool2d AdaptiveMaxPool2d AddN Adds Aipp ArgMax ArgMaxWithValue ArgMin ArgMinWithValue
AscendAntiQuant AscendDequant AscendQuant AscendRequant Asin Asinh Atan Atan2 Atanh AvgPool AvgPool3D Axpy BNInfer
BNInference BNTrainingReduce BNTrainingUpdate BatchMatMul BatchMultiClassNonMaxSuppression BatchNorm BatchToSpace
BatchToSpaceND BiasAdd BitwiseAnd BitwiseOr BroadcastTo Cast Celu ClipByValue Concat Conv2DCompress Conv2DTranspose Conv3D
Conv3DTranspose CropAndResize Cumprod Cumsum DecodeBbox Deconvolution DeformableConv2D DeformableOffsets DepthToSpace
DepthwiseConv2D Dropout DynamicGRU DynamicRNN Einsum Elu Equal Erfc Exp2 Expand ExpandDims Expm1 EyeLike FastGelu
FastGeluGrad Fill FlattenV2 FloorDiv FloorMod FullyConnection GEMM Gather GatherElements GatherNd Gelu GlobalLpPool Greater
GreaterEqual GroupNorm HardMax HardSigmoid HardSwish Inv InstanceNorm InTopK L2Loss L2Normalize LRN LSTM LayerNorm Less
LessEqual Log1p LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul MatrixDiag MaxPool MaxPool3D MaxPoolWithArgmax Maximum
Maxpool Minimum Mish Mod Muls MultiHeadAttention NMSWithMask NonMaxSuppression NonZero Normalize NotEqual OneHot PSROIPooling
Pack Pad Permute Pooling Power PriorBox ROIAlign ROIPooling Range ReduceAll ReduceAny ReduceLogSum ReduceLogSumExp ReduceMax
ReduceMean ReduceMin ReduceProd ReduceStd ReduceSum Relu6 Reshape Resize ResizeBilinear ResizeNearestNeighbor Reverse
ReverseSequence Rint RoiExtractor Rsqrt Scale Scatter ScatterElements ScatterNd ScatterNdUpdate Select Selu Shape Shrink
Silu Slice Softmax SoftmaxCrossEntropyWithLogits Sort SpaceToBatch SpaceToBatchND SpaceToDepth Split SplitV Square
SquareSum SquaredDifference Squeeze StridedSlice StridedSliceAssign Swish TensorScatterUpdate ThresholdedRelu Threshold Tile
TileWithAxis TopK TransData Transpose Tril Triu TruncateDiv Unpack UnsortedSegmentSum Unsqueeze Upsample Where Xdivy Xlog1py
Xlogy Yolo ZerosLike
"""
_ENDING = re.compile(r"(?<=[a-z0-9])(V[0-9])?D?$")
_KNOWN = {_ENDING.sub("", name): name for name in (*_FURTHER.split(), *ATC_TYPES.values())}


class _Changes(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    to_add: list[str] = []
    to_remove: list[str] = []


class Lists(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """What a file for --modify_mixlist holds: operators that stay in float32 (black), and that do not (white)."""

    black_list: _Changes = _Changes()
    white_list: _Changes = _Changes()


def plain_type(name: str) -> str:
    """Return one of ATC's operator types without the ending that its form has: ReduceMean for ReduceMeanD."""
    return _ENDING.sub("", name)


def read_lists(path: Path) -> Lists:
    """Read a list for --modify_mixlist; what `problems` says of it is an error."""
    wrong = problems(path)
    if wrong:
        raise GuideError("\n  ".join(wrong))
    return msgspec.json.decode(read_text(path), type=Lists)


def problems(path: Path) -> list[str]:
    """Return what is wrong with a list for --modify_mixlist, if anything is: its form, or an operator it names.

    The form: `black-list` (stays in float32) and `white-list`, each with `to-add` and `to-remove`, lists of names.
    """
    try:
        lists = msgspec.json.decode(read_text(path), type=Lists)
    except (msgspec.DecodeError, RecursionError) as error:
        form = '{"black-list": {"to-add": ["ReduceMeanD"]}}'
        return [f"{path}: expected lists of operators in JSON, as in {form}: {error}"]
    changes = (lists.black_list, lists.white_list)
    names = [name for change in changes for name in (*change.to_add, *change.to_remove)]
    if not names:
        return [f"{path}: names no operator"]
    return [_unknown(path, name) for name in names if plain_type(name) not in _KNOWN]


def _unknown(path: Path, name: str) -> str:
    near = ATC_TYPES.get(name) or next(iter(difflib.get_close_matches(name, _KNOWN.values(), n=1)), None)
    hint = f"; did you mean {near!r}?" if near else ""
    return f"{path}: {name[:80]!r} is not known here as one of ATC's operator types{hint}"
