"""Put ATC's own operators in place of what stands for them in standard ONNX.

Why: the NPU has operators for suppression and for position-sensitive pooling, and the standard ones in their place
would be slow there or refused. The published export writes the two under names that only ATC knows, so its file runs
nowhere else; here the standard file is exported and compared with torch, and changed in this one step. Each sub-graph
that is replaced is first compared with the one that `rfcn_voc.standard_head` writes, node by node and constant by
constant.

Names, inputs and attributes: the guide's own file; CANN, ONNX plugins of BatchMultiClassNMS and PSROIPooling, both
registered for operator sets 8 to 16.
"""

from __future__ import annotations

import numpy as np
from onnx import GraphProto, ModelProto, numpy_helper, parser

from common.errors import GuideError
from patches.subgraph import EXPORT, Match, find
from rfcn_voc import standard_head
from rfcn_voc.standard_head import place

OPSETS = range(8, 17)
_POOLS = {"scores": 21, "boxes": 84}  # values of the last piece, and how many channels were pooled for them

_NMS = """
nms (float[6000,4] boxes, float[6000] scores) => (float[1,300,5] rois)
<int64[4] box_shape = {1, 6000, -1, 4}, int64[3] score_shape = {1, 6000, -1}>
{
    boxes_once = Reshape(boxes, box_shape)
    scores_once = Reshape(scores, score_shape)
    nmsed_boxes, nmsed_scores, nmsed_classes, nmsed_num = BatchMultiClassNMS<score_threshold = 0.0,
        iou_threshold = 0.7, max_size_per_class = 300, max_total_size = 300>(boxes_once, scores_once)
    rois = Concat<axis = 2>(picture, nmsed_boxes)
}
"""
_PSROI = """
psroi (float[1,MAPS,84,84] maps, float[1,300,5] rois) => (float[300,CHANNELS] pooled)
<int64[2] flat = {300, CHANNELS}>
{
    rois_last = Transpose<perm = [0, 2, 1]>(rois)
    bins = PSROIPooling<spatial_scale = 0.0625, group_size = 7, output_dim = CHANNELS, pooled_height = 7,
        pooled_width = 7>(maps, rois_last)
    mean = AveragePool<kernel_shape = [7, 7], strides = [7, 7]>(bins)
    pooled = Reshape(mean, flat)
}
"""


def use_vendor_operators(proto: ModelProto) -> list[str]:
    """Replace suppression and both poolings in place; return a line per node that came in.

    Anything but the expected sub-graphs is an error that names the node, and leaves the model as it was.
    """
    opset = next(entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    if opset not in OPSETS:
        raise GuideError(
            f"expected operator set {OPSETS[0]} to {OPSETS[-1]}, for which ATC has BatchMultiClassNMS and PSROIPooling, "
            f"found {opset}. Export again with --opset 11."
        )
    graph = proto.graph
    outputs = [value.name for value in graph.output]
    if outputs != ["rois", "cls_prob", "bbox_pred"]:
        raise GuideError(f"expected the outputs rois, cls_prob and bbox_pred, found {outputs}. {EXPORT}")
    suppress, pools, bins, finish = _find_pieces(graph)

    pieces = (suppress, *pools.values(), bins, finish)
    gone = {node.output[0] for piece in pieces for node in piece.nodes.values()}
    new = GraphProto()
    new.node.extend(node for node in graph.node if node.output[0] not in gone)
    before = len(new.node)
    nms = parser.parse_graph(_NMS)
    nms.initializer.append(numpy_helper.from_array(np.zeros((1, 300, 1), np.float32), "picture"))
    place(new, nms, "nms", {name: suppress.names[name] for name in ("boxes", "scores", "rois")})
    for value, channels in _POOLS.items():
        text = _PSROI.replace("MAPS", str(49 * channels)).replace("CHANNELS", str(channels))
        maps, pooled = pools[value].names["maps"], pools[value].names["pooled"]
        known = {"maps": maps, "rois": "rois", "pooled": pooled}
        place(new, parser.parse_graph(text), f"psroi_{maps}", known)
    came = [
        f"{node.name}: {node.op_type}"
        for node in new.node[before:]
        if node.op_type in ("BatchMultiClassNMS", "PSROIPooling")
    ]
    new.node.extend(reversed(finish.nodes.values()))  # found from the end
    _refuse_dangling(graph, new)
    del graph.node[:]
    graph.node.extend(new.node)
    graph.initializer.extend(new.initializer)
    _drop_unused(graph)
    return came


def _find_pieces(graph: GraphProto) -> tuple[Match, dict[str, Match], Match, Match]:
    """Return where suppression, the two poolings by `_POOLS`, the bins and the last piece are."""
    if any(value.name == "im_info" for value in graph.input):
        names = [node.name for node in graph.node if node.op_type == "NonMaxSuppression"]
        raise GuideError(
            f"node {', '.join(names)!r}: is that of the original form, with the input im_info, whose overlaps ATC's "
            "operator cannot measure. Export with --form guide."
        )
    suppress = find(graph, standard_head.suppress(), {"rois": "rois"})
    if suppress.names["measured"] != suppress.names["boxes"]:
        name = suppress.nodes["selected"].name
        raise GuideError(f"node {name!r}: measures the overlaps of other boxes than are kept. {EXPORT}")
    finish = find(graph, standard_head.finish(), {name: name for name in ("cls_prob", "bbox_pred")})
    pools = {
        value: find(graph, standard_head.pool(channels), {"pooled": finish.names[value]})
        for value, channels in _POOLS.items()
    }
    scores, boxes = (pools[value].names for value in _POOLS)
    weights = {value: scores[value] for value in ("rows", "columns")}
    bins = find(graph, standard_head.bins(), weights)
    if bins.names["rois"] != "rois" or any(boxes[value] != name for value, name in weights.items()):
        name = pools["boxes"].nodes["row_sums"].name
        raise GuideError(f"node {name!r}: pools other regions than the output rois. {EXPORT}")
    return suppress, pools, bins, finish


def _refuse_dangling(graph: GraphProto, new: GraphProto) -> None:
    """Refuse that a node of the new graph uses what went away with the old pieces, or what comes after it."""
    values = {value.name for value in graph.input}
    values |= {tensor.name for tensor in (*graph.initializer, *new.initializer)}
    for node in new.node:
        lost = [name for name in node.input if name and name not in values]
        if lost:
            raise GuideError(f"node {node.name!r}: uses {lost[0]!r}, which is to be replaced. {EXPORT}")
        values |= {*node.output}


def _drop_unused(graph: GraphProto) -> None:
    """Remove the constants, and the shapes on record, of what went away."""
    used = {name for node in graph.node for name in (*node.input, *node.output)}
    for values in (graph.initializer, graph.value_info):
        for value in [value for value in values if value.name not in used]:
            values.remove(value)
