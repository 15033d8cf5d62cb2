"""What R-FCN does with regions, in standard ONNX operators of opset 11 to 16: proposals and position-sensitive pooling.

torch's exporter has no form for it, so it is written here in ONNX's own text, piece by piece, and joined to the exported
body. `proposals.py` has the same in torch. Shapes are fixed: one picture, 63504 anchors, 300 regions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, numpy_helper, parser

from rfcn_voc.anchors import CELLS, STRIDE, centres_and_sizes

# What joins body and head: channels of the maps, 1xCx84x84, by name.
BODY = {"rpn_cls_score": 18, "rpn_bbox_pred": 36, "cls_maps": 1029, "bbox_maps": 4116}
OVERLAP = np.float32(0.7)

_CANDIDATES = """
candidates (float[1,18,84,84] rpn_cls_score, float[1,36,84,84] rpn_bbox_pred)
        => (float[6000,4] boxes, float[6000] scores)
<int64[4] pairs = {1, 2, 756, 84}, int64 foreground = {1}, int64[3] by_anchor = {9, 84, 84}, int64[1] flat = {63504},
 int64[1] most = {6000}, int64[2] rows_of_four = {63504, 4}, int64[2] of_centre = {0, 1}, int64[2] of_size = {2, 3},
 float half = {0.5}>
{
    logits = Reshape(rpn_cls_score, pairs)
    logits_last = Transpose<perm = [0, 2, 3, 1]>(logits)
    probabilities = Softmax<axis = 3>(logits_last)
    probability = Gather<axis = 3>(probabilities, foreground)
    probability_by_anchor = Reshape(probability, by_anchor)
    probability_by_place = Transpose<perm = [1, 2, 0]>(probability_by_anchor)
    all_scores = Reshape(probability_by_place, flat)
    scores, best = TopK<axis = 0>(all_scores, most)
    deltas_last = Transpose<perm = [0, 2, 3, 1]>(rpn_bbox_pred)
    all_deltas = Reshape(deltas_last, rows_of_four)
    deltas = Gather<axis = 0>(all_deltas, best)
    centre = Gather<axis = 0>(centres, best)
    size = Gather<axis = 0>(sizes, best)
    move = Gather<axis = 1>(deltas, of_centre)
    growth = Gather<axis = 1>(deltas, of_size)
    moved = Mul(move, size)
    middle = Add(moved, centre)
    factor = Exp(growth)
    grown = Mul(factor, size)
    reach = Mul(grown, half)
    low = Sub(middle, reach)
    high = Add(middle, reach)
    boxes = Concat<axis = 1>(low, high)
}
"""
_CLIP = """
clip (float[6000,4] boxes, float[1,3] im_info) => (float[6000,4] clipped, float[6000,4] with_both_ends)
<int64[4] width_height = {1, 0, 1, 0}, float one = {1}, float zero = {0}, float[4] both_ends = {0, 0, 1, 1}>
{
    sides = Gather<axis = 1>(im_info, width_height)
    limits = Sub(sides, one)
    not_negative = Max(boxes, zero)
    clipped = Min(not_negative, limits)
    with_both_ends = Add(clipped, both_ends)
}
"""
# `measured` are the boxes whose overlaps count, `boxes` those that become regions.
_SUPPRESS = """
suppress (float[6000,4] measured, float[6000] scores, float[6000,4] boxes) => (float[1,300,5] rois)
<int64[3] one_picture = {1, 6000, 4}, int64[3] one_class = {1, 1, 6000}, int64 most = {300}, float least = {0},
 int64[1] of_box = {2}, int64[1] flat = {-1}, int64[1] begin = {0}, int64[1] end = {300}, int64[3] regions = {1, 300, 4}>
{
    measured_once = Reshape(measured, one_picture)
    scores_once = Reshape(scores, one_class)
    selected = NonMaxSuppression(measured_once, scores_once, most, overlap, least)
    selected_column = Gather<axis = 1>(selected, of_box)
    index = Reshape(selected_column, flat)
    kept = Gather<axis = 0>(boxes, index)
    padded = Concat<axis = 0>(kept, no_boxes)
    first = Slice(padded, begin, end, begin)
    one_list = Reshape(first, regions)
    rois = Concat<axis = 2>(picture, one_list)
}
"""
# Weights of the 84 rows and columns of a map in the 7 bins along each side: 1 / cells inside a bin, 0 outside.
_BINS = """
bins (float[1,300,5] rois) => (float[300,588] rows, float[300,588,1] columns)
<int64[1] one = {1}, int64[1] five = {5}, int64[1] last = {2}, int64[2] corners_only = {300, 4}, float half = {0.5},
 int64[2] of_low = {0, 1}, int64[2] of_high = {2, 3}, float scale = {0.0625}, float cell = {1}, float smallest = {0.1},
 float seven = {7}, int64[3] one_bin = {300, 2, 1}, float none = {0}, float all = {84}, int64[4] one_cell = {300, 2, 7, 1},
 float[7] first_bin = {0, 1, 2, 3, 4, 5, 6}, float[7] next_bin = {1, 2, 3, 4, 5, 6, 7}, int64 of_x = {0}, int64 of_y = {1},
 int64[2] flat_rows = {300, 588}, int64[3] flat_columns = {300, 588, 1}>
{
    corners_once = Slice(rois, one, five, last)
    corners = Reshape(corners_once, corners_only)
    magnitude = Abs(corners)
    whole = Floor(magnitude)
    fraction = Sub(magnitude, whole)
    below_half = Less(fraction, half)
    not_below = Not(below_half)
    up = Cast<to = 1>(not_below)
    rounded_magnitude = Add(whole, up)
    side = Sign(corners)
    rounded = Mul(side, rounded_magnitude)
    low_pixel = Gather<axis = 1>(rounded, of_low)
    high_pixel = Gather<axis = 1>(rounded, of_high)
    end_pixel = Add(high_pixel, cell)
    low = Mul(low_pixel, scale)
    high = Mul(end_pixel, scale)
    difference = Sub(high, low)
    size = Max(difference, smallest)
    bin_size = Div(size, seven)
    each_size = Reshape(bin_size, one_bin)
    each_low = Reshape(low, one_bin)
    to_start = Mul(each_size, first_bin)
    at_start = Add(to_start, each_low)
    start_cell = Floor(at_start)
    start_inside = Clip(start_cell, none, all)
    to_end = Mul(each_size, next_bin)
    at_end = Add(to_end, each_low)
    end_cell = Ceil(at_end)
    end_inside = Clip(end_cell, none, all)
    start = Reshape(start_inside, one_cell)
    end = Reshape(end_inside, one_cell)
    before = Less(cells, start)
    not_before = Not(before)
    before_end = Less(cells, end)
    inside = And(not_before, before_end)
    member = Cast<to = 1>(inside)
    length = Sub(end, start)
    count = Max(length, cell)
    weights = Div(member, count)
    weights_x = Gather<axis = 1>(weights, of_x)
    weights_y = Gather<axis = 1>(weights, of_y)
    rows = Reshape(weights_y, flat_rows)
    columns = Reshape(weights_x, flat_columns)
}
"""
# Map (channel, bin row, bin column) by (row, column): the rows of all bins are added first, then the columns.
_POOL = """
pool (float[1,MAPS,84,84] maps, float[300,588] rows, float[300,588,1] columns) => (float[300,CHANNELS] pooled)
<int64[5] by_bin = {CHANNELS, 7, 7, 84, 84}, int64[2] matrix = {588, COLUMNS}, int64[3] by_region = {300, CHANNELS, 588},
 int64[2] flat = {300, CHANNELS}, float bins = {49}>
{
    maps_by_bin = Reshape(maps, by_bin)
    rows_first = Transpose<perm = [1, 3, 0, 2, 4]>(maps_by_bin)
    maps_matrix = Reshape(rows_first, matrix)
    row_sums = MatMul(rows, maps_matrix)
    row_sums_by_region = Reshape(row_sums, by_region)
    sums = MatMul(row_sums_by_region, columns)
    sums_flat = Reshape(sums, flat)
    pooled = Div(sums_flat, bins)
}
"""
_FINISH = """
finish (float[300,21] scores, float[300,84] boxes) => (float[1,300,21] cls_prob, float[1,300,84] bbox_pred)
<int64[3] score_rows = {1, 300, 21}, int64[3] box_rows = {1, 300, 84}>
{
    probability = Softmax<axis = 1>(scores)
    cls_prob = Reshape(probability, score_rows)
    bbox_pred = Reshape(boxes, box_rows)
}
"""


def candidates() -> GraphProto:
    """Return the piece from the region proposal network's maps to the 6000 most probable boxes, not clipped."""
    centres, sizes = centres_and_sizes()
    return _piece(_CANDIDATES, centres=centres, sizes=sizes)


def clip() -> GraphProto:
    """Return the piece that clips boxes to the picture, and the same boxes as far as their sizes count both ends."""
    return _piece(_CLIP)


def suppress(*, published: bool = False) -> GraphProto:
    """Return the piece from boxes to 300 regions: at most 300 that no better one overlaps, zeros after them.

    The guide's form suppresses at more than 0.7 and takes scores of more than 0; the published at 0.7 and more.
    """
    text = _SUPPRESS.replace(", least)", ")").replace(", float least = {0}", "") if published else _SUPPRESS
    overlap = np.nextafter(OVERLAP, np.float32(0)) if published else OVERLAP
    zeros = {"no_boxes": np.zeros((300, 4), np.float32), "picture": np.zeros((1, 300, 1), np.float32)}
    return _piece(text, overlap=overlap, **zeros)


def bins() -> GraphProto:
    """Return the piece from regions to the weights of the maps' rows and columns in each bin."""
    return _piece(_BINS, cells=np.arange(CELLS, dtype=np.float32))


def pool(channels: int) -> GraphProto:
    """Return the piece from position-sensitive maps to the mean over the bins of each region, 300xchannels."""
    numbers = {"MAPS": 49 * channels, "COLUMNS": 588 * channels, "CHANNELS": channels}
    text = _POOL
    for word, number in numbers.items():
        text = text.replace(word, str(number))
    return _piece(text)


def finish() -> GraphProto:
    """Return the piece from pooled means to probabilities and deltas."""
    return _piece(_FINISH)


def attach_head(body: ModelProto, *, published: bool) -> None:
    """Add the head to an exported body, whose outputs are `BODY`; the outputs become rois, cls_prob and bbox_pred.

    The body may have been exported for pictures of another size; it gets the network's. The published form gets `im_info` as second input; the guide's knows nothing of the picture's size.
    """
    graph = body.graph
    for size, dimension in zip(
        (1, 3, *2 * [CELLS * STRIDE]), graph.input[0].type.tensor_type.shape.dim, strict=True
    ):
        dimension.dim_value = size
    del graph.value_info[:]
    boxes = measured = "proposals/boxes"
    place(graph, candidates(), "proposals", {name: name for name in BODY})
    if published:
        graph.input.append(next(value for value in clip().input if value.name == "im_info"))
        place(graph, clip(), "clip", {"boxes": boxes, "im_info": "im_info"})
        boxes, measured = "clip/clipped", "clip/with_both_ends"
    known = {"measured": measured, "scores": "proposals/scores", "boxes": boxes, "rois": "rois"}
    place(graph, suppress(published=published), "suppress", known)
    place(graph, bins(), "bins", {"rois": "rois"})
    for maps, channels in (("cls_maps", 21), ("bbox_maps", 84)):
        known = {"maps": maps, "rows": "bins/rows", "columns": "bins/columns"}
        place(graph, pool(channels), f"pool_{maps}", known)
    known = {"scores": "pool_cls_maps/pooled", "boxes": "pool_bbox_maps/pooled"}
    outputs = [suppress().output[0], *finish().output]
    place(graph, finish(), "finish", known | {value.name: value.name for value in outputs})
    del graph.output[:]
    graph.output.extend(outputs)


def place(graph: GraphProto, piece: GraphProto, prefix: str, known: Mapping[str, str]) -> list[NodeProto]:
    """Add the nodes and constants of a piece to a graph and return the nodes.

    Values are called as `known` says, all others `<prefix>/<value>`; a node is called after its first output.
    """

    def renamed(value: str) -> str:
        return known.get(value, f"{prefix}/{value}")

    for constant in piece.initializer:
        graph.initializer.append(constant)
        graph.initializer[-1].name = renamed(constant.name)
    for node in piece.node:
        graph.node.append(node)
        copy = graph.node[-1]
        copy.name = f"{prefix}/{node.output[0]}"
        copy.input[:], copy.output[:] = map(renamed, node.input), map(renamed, node.output)
    return list(graph.node[-len(piece.node) :])


def _piece(text: str, **constants: NDArray[Any] | np.float32) -> GraphProto:
    """Parse ONNX text and add constants that are too long for it."""
    piece = parser.parse_graph(text)
    for name, values in constants.items():
        piece.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return piece
