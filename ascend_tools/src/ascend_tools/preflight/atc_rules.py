"""What ATC is documented to refuse in an ONNX file, or known to stumble over.

Sources. CANN documentation: "ONNX operator specifications" of 5.0.4 and 6.0.1 (opset 9 to 13) and of 7.0 (9 to 18);
"supported ONNX operators" of 5.0.4 (fwoperatorlist/operatorlist_0071); "ATC, general restrictions" of 6.0.1
(atctool_0040); --output_type. ATC's messages E16005, E19010 and EZ3002 as users report them in Ascend's forum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from common import cli
from common.graph.constants import constants
from common.graph.outline import Graph

# operatorlist_0071, without regard to case.
_LIST = """
abs acos acosh adaptiveavgpool2d adaptivemaxpool2d add addcmul affinegrid and argmax argmin ascendantiquant
ascenddequant ascenddequants16 ascendquant ascendrequant ascendrequants16 asin asinh atan atanh averagepool
batchmatmul batchmulticlassnms batchnormalization bitshift cast ceil celu clip compress concat constant
constantofshape conv convtranspose cos cosh cumsum deformableconv2d depthtospace det div dropout elu
embeddingbag equal erf exp expand eyelike flatten floor gather gatherelements gathernd gemm
globalaveragepool globallppool globalmaxpool greater greaterorequal hardmax hardsigmoid hardswish identity
if instancenormalization leakyrelu less lessorequal log logsoftmax lpnormalization lppool lrn lstm matmul
max maxpool maxroipool maxunpool mean meanvariancenormalization min mod mul multinomial neg
nonmaxsuppression nonzero not onehot or pad pow prelu randomnormallike randomuniform randomuniformlike range
reciprocal reducel1 reducel2 reducelogsum reducelogsumexp reducemax reducemean reducemin reduceprod
reducesum reducesumsquare relu reshape resize reversesequence roialign roiextractor round scatter
scatterelements scatternd selu shape shrink sigmoid sign sin sinh size slice softmax softplus softsign
spacetodepth split sqrt squeeze sub sum tanh tfidfvectorizer thresholdedrelu tile topk transpose unsqueeze
where xor
"""
_LISTED = frozenset(_LIST.split())
_DATA_DEPENDENT = ("Compress", "NonMaxSuppression", "NonZero", "Unique")
_INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Remark:
    """One thing about the file: the node, value or field it is about, and what ATC is known to do, and why."""

    about: str
    says: str


def remarks(model: onnx.ModelProto, graph: Graph, opset: int) -> list[Remark]:
    """Return what ATC may refuse in a loaded model; `opset` is the one that model.toml, or the guides, ask for."""
    return [
        *_versions(model, graph, opset),
        *_outside(graph),
        *_operators(model.graph),
        *_constants(model.graph),
    ]


def _versions(model: onnx.ModelProto, graph: Graph, opset: int) -> Iterator[Remark]:
    about = f"opset {graph.opset}"
    if not 9 <= graph.opset <= 18:
        yield Remark(
            about, "CANN documents 9 to 13 (5.0.4, 6.0.1) and 9 to 18 (7.0); export it as one of these"
        )
    elif graph.opset > 13:
        yield Remark(about, "CANN documents 9 to 13 before version 7.0, which goes to 18")
    if graph.opset > opset:
        yield Remark(
            about, f"above {opset}, with which this model, or the guides' models, are known to convert"
        )
    domains = [entry.domain or "ai.onnx" for entry in model.opset_import]
    if len(domains) > 1:
        yield Remark(
            f"domains {', '.join(domains)}",
            "ATC refuses more than one (E16005: ... [--domain_version] fields, but only one is allowed)",
        )


def _outside(graph: Graph) -> Iterator[Remark]:
    for value in graph.inputs:
        about = f"input {value.name!r}"
        if value.dtype == "uint8":
            yield Remark(about, "is uint8, which an OM takes only through AIPP (--insert_op_conf)")
        elif value.dtype not in ("float32", "float16"):
            yield Remark(
                about, f"is {value.dtype}; of an ONNX file ATC takes float32, float16, or uint8 through AIPP"
            )
        if any(isinstance(dim, str) for dim in value.shape[1:]):
            yield Remark(
                about,
                f"has the shape {value.shape}, dynamic beyond the batch; ATC of CANN 6.0.1 takes fixed numbers only, "
                "and a later one not for every chip (EZ3002: Dynamic shape is not supported on this chip)",
            )
    for value in graph.outputs:
        if value.dtype not in ("float32", "float16", "uint8", "int8"):
            yield Remark(
                f"output {value.name!r}",
                f"is {value.dtype}; --output_type knows FP32, FP16, UINT8 and INT8 before CANN 9; cast it in the graph",
            )


def _operators(graph: onnx.GraphProto) -> Iterator[Remark]:
    """Yield one remark per operator that ATC may not take, with the nodes that use it."""
    nodes: dict[tuple[str, str], list[str]] = defaultdict(list)
    for node in _all_nodes(graph):
        nodes[node.domain, node.op_type].append(node.name or node.output[0])
    for (domain, op_type), names in sorted(nodes.items()):
        about = f"{len(names)} x {op_type}"
        where = f"({cli.shorten(names)})"
        if domain not in ("", "ai.onnx"):
            yield Remark(
                about,
                f"of the domain {domain!r}: E19010, no parser is registered, without a plugin of one's own {where}",
            )
        elif op_type.lower() not in _LISTED:
            yield Remark(about, f"not in the list of CANN 5.0.4; check that of your version {where}")
        elif op_type in _DATA_DEPENDENT:
            yield Remark(
                about,
                "its output's size depends on the data, which not every chip runs (EZ3002: Dynamic shape is not "
                f"supported on this chip) {where}",
            )


def _all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of its branches."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for branch in (attribute.g, *attribute.graphs):
                yield from _all_nodes(branch)


def _constants(graph: onnx.GraphProto) -> Iterator[Remark]:
    tensors = constants(graph)
    # A Slice says "to the end" as 2^63 - 1, and is converted.
    ends = {name for node in graph.node if node.op_type == "Slice" for name in node.input[1:]}
    for name, tensor in tensors.items():
        if tensor.data_type == onnx.TensorProto.DOUBLE:
            yield Remark(
                f"constant {name!r}", "is float64; the AI core computes in float16 and float32; cast it"
            )
        elif tensor.data_type == onnx.TensorProto.INT64 and name not in ends:
            values = numpy_helper.to_array(tensor)
            if values.size and not _INT32.min <= int(values.min()) <= int(values.max()) <= _INT32.max:
                yield Remark(
                    f"constant {name!r}",
                    "is int64 and beyond int32, the type in which many of ATC's operators take indices",
                )
    pads: dict[float, list[str]] = defaultdict(list)
    for node in graph.node:
        if node.op_type == "Pad" and not np.isfinite(value := _padding(node, tensors)):
            pads[value].append(node.name or node.output[0])
    for value, names in pads.items():
        yield Remark(
            f"{len(names)} x Pad",
            f"pads with {value}, which the EfficientDet-D0 guide takes out before ATC. Padding with 0 instead changes "
            f"the results; a MaxPool that pads by itself (its attribute `pads`) does not ({cli.shorten(names)})",
        )


def _padding(node: onnx.NodeProto, tensors: Mapping[str, onnx.TensorProto]) -> float:
    """Return the number a Pad pads with, if the file says it: its third input, or before opset 11 its attribute."""
    for attribute in node.attribute:
        if attribute.name == "value":
            return float(attribute.f)
    tensor = tensors.get(node.input[2]) if len(node.input) > 2 else None
    return float(numpy_helper.to_array(tensor).reshape(-1)[0]) if tensor is not None else 0.0
