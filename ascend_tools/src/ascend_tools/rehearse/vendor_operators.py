"""ATC's own operators in numpy: BatchMultiClassNMS and PSROIPooling, by what is documented of them.

Sources. CANN documentation, "Operator specifications of the AI framework", BatchMultiClassNMS (atlasoxol_09_0025) and
PSROIPooling, both for operator sets 8 to 16, and "Built-in operators", PSROIPooling (operatorlist_00142); the operators'
descriptions in CANN's headers: BatchMultiClassNonMaxSuppression, PSROIPoolingV2. How bins are laid out is not written
there: it is as in the published kernel of R-FCN, whose results the NPU's are to equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from common.errors import GuideError
from common.graph.bounds import VALUES

Array = NDArray[Any]
Float = NDArray[np.float32]
OPSETS = range(8, 17)
_STANDARD = ("", "ai.onnx")


def batch_multi_class_nms(
    boxes: Array,
    scores: Array,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_size_per_class: int,
    max_total_size: int,
    change_coordinate_frame: int = 0,
    transpose_box: int = 0,
) -> tuple[Array, Array, Array, Array]:
    """Suppress boxes that a better one of their class overlaps, and keep the best of all classes.

    A score has to be more than its threshold, an overlap not more than its own; boxes without area are left out. The
    overlap is plain intersection over union.

    Args:
        boxes: BxNxQx4, x1 y1 x2 y2; Q is 1, for boxes that all classes share, or the number of classes.
        scores: BxNxC.
        score_threshold: what a score has to exceed.
        iou_threshold: what an overlap must not exceed.
        max_size_per_class: how many boxes of a class may be kept.
        max_total_size: how many there are in the output.
        change_coordinate_frame: not rehearsed, as is clip_window, which it needs.
        transpose_box: not rehearsed, has to be 0.

    Returns:
        Boxes Bxmax_total_sizex4, scores and classes Bxmax_total_size, best first and zeros at the end, and how many
        there are, B int32.
    """
    if boxes.ndim != 4 or scores.ndim != 3 or boxes.shape[:2] != scores.shape[:2] or boxes.shape[3] != 4:
        raise GuideError(
            f"BatchMultiClassNMS: boxes of the shape {boxes.shape} for scores of {scores.shape}."
        )
    if boxes.shape[2] not in (1, scores.shape[2]) or change_coordinate_frame or transpose_box:
        raise GuideError(
            f"BatchMultiClassNMS: {boxes.shape[2]} boxes for {scores.shape[2]} classes, change_coordinate_frame "
            f"{change_coordinate_frame}, transpose_box {transpose_box}: not rehearsed."
        )
    batch, total = len(boxes), max_total_size
    if not 0 < batch * total * 4 <= VALUES:
        raise GuideError(f"BatchMultiClassNMS: max_total_size is {total}, for {boxes.shape[1]} boxes.")
    found = np.zeros((batch, total, 4), boxes.dtype)
    found_scores = np.zeros((batch, total), scores.dtype)
    classes = np.zeros((batch, total), boxes.dtype)
    counts = np.zeros(batch, np.int32)
    for item in range(batch):
        rows, kinds = [], []
        for kind in range(scores.shape[2]):
            own = boxes[item, :, min(kind, boxes.shape[2] - 1)].astype(np.float32)
            kept = suppress(
                own,
                scores[item, :, kind],
                np.float32(score_threshold),
                np.float32(iou_threshold),
                max_size_per_class,
            )
            rows.append(kept)
            kinds.append(np.full(len(kept), kind))
        row, kind_of = np.concatenate(rows), np.concatenate(kinds)
        best = np.argsort(-scores[item, row, kind_of], kind="stable")[:total]
        row, kind_of = row[best], kind_of[best]
        count = counts[item] = len(row)
        found[item, :count] = boxes[item, row, np.minimum(kind_of, boxes.shape[2] - 1)]
        found_scores[item, :count] = scores[item, row, kind_of]
        classes[item, :count] = kind_of
    return found, found_scores, classes, counts


def suppress(
    boxes: Float, scores: Array, least: np.float32, overlap: np.float32, most: int
) -> NDArray[np.int64]:
    """Return the rows of at most so many boxes, Nx4, best first and equal ones in their order."""
    sides = boxes[:, 2:] - boxes[:, :2]
    areas = sides[:, 0] * sides[:, 1]
    left = np.flatnonzero((scores > least) & (sides > 0).all(axis=1))
    left = left[np.argsort(-scores[left], kind="stable")]
    kept: list[np.int64] = []
    while len(left) and len(kept) < most:
        first, left = left[0], left[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[left, :2])
        high = np.minimum(boxes[first, 2:], boxes[left, 2:])
        shared = np.maximum(high - low, 0).prod(axis=1)
        left = left[~(shared / (areas[first] + areas[left] - shared) > overlap)]
    return np.array(kept, np.int64)


def psroi_pooling(
    maps: Array, rois: Array, *, spatial_scale: float, group_size: int, output_dim: int, **_: int
) -> tuple[Array]:
    """Return the mean of each region's bins, each from a map of its own: (N*R)xoutput_dimxGxG.

    Coordinates are rounded, half away from zero; the end counts. A bin without cells is 0.

    Args:
        maps: NxCxHxW, C = output_dim * G * G; bin (row, column) of channel c is of map (c * G + row) * G + column.
        rois: Nx5xR: the number of the picture, x1, y1, x2, y2 in the picture's pixels.
        spatial_scale: cells of the maps per pixel.
        group_size: bins along each side.
        output_dim: channels.
        _: what ATC ignores: pooled_height and pooled_width.
    """
    if maps.ndim != 4 or rois.ndim != 3 or rois.shape[:2] != (len(maps), 5) or not 0 < group_size < 128:
        raise GuideError(f"PSROIPooling: maps of the shape {maps.shape} and regions of {rois.shape}.")
    if maps.shape[1] != output_dim * group_size**2:
        raise GuideError(
            f"PSROIPooling: {maps.shape[1]} maps for output_dim {output_dim} and group_size {group_size}."
        )
    rows = rois.transpose(0, 2, 1).reshape(-1, 5).astype(np.float32)
    pictures = np.rint(rows[:, 0])
    if not np.isin(pictures, np.arange(len(maps))).all():
        raise GuideError(f"PSROIPooling: a region is of picture {pictures.max()}, there are {len(maps)}.")
    height, width = maps.shape[2:]
    pooled = np.zeros((len(rows), output_dim, group_size, group_size), np.float32)
    for picture, planes in enumerate(maps):
        here = np.flatnonzero(pictures == picture)
        grid = planes.astype(np.float32, copy=False).reshape(
            output_dim, group_size, group_size, height, width
        )
        columns = _shares(rows[here, 1], rows[here, 3], spatial_scale, group_size, width)
        lines = _shares(rows[here, 2], rows[here, 4], spatial_scale, group_size, height)
        for row in range(group_size):
            sums = np.tensordot(
                lines[:, row], grid[:, row], axes=(1, 2)
            )  # regions x channels x columns x width
            pooled[here, :, row] = np.einsum("rcgw,rgw->rcg", sums, columns)
    return (pooled.astype(maps.dtype, copy=False),)


def _shares(low: Float, high: Float, scale: float, bins: int, cells: int) -> Float:
    """Return the share of each cell in each bin between two coordinates: 1 / cells of the bin, 0 outside; Rxbinsxcells."""
    start = _rounded(low) * np.float32(scale)
    end = (_rounded(high) + np.float32(1)) * np.float32(scale)
    size = np.maximum(end - start, np.float32(0.1)) / np.float32(bins)
    number = np.arange(bins + 1, dtype=np.float32)
    first = np.floor(size[:, None] * number[:-1] + start[:, None]).clip(0, cells)[..., None]
    last = np.ceil(size[:, None] * number[1:] + start[:, None]).clip(0, cells)[..., None]
    cell = np.arange(cells, dtype=np.float32)
    inside = (cell >= first) & (cell < last)
    shares: Float = inside / np.maximum(last - first, np.float32(1))
    return shares


def _rounded(values: Float) -> Float:
    magnitude = np.abs(values)
    whole = np.floor(magnitude)
    return np.asarray(np.sign(values) * (whole + (magnitude - whole >= 0.5)), np.float32)


_OPERATORS: Mapping[str, Callable[..., tuple[Array, ...]]] = {
    "BatchMultiClassNMS": batch_multi_class_nms,
    "PSROIPooling": psroi_pooling,
}


def is_vendors(node: onnx.NodeProto) -> bool:
    """Tell whether a node is one of ATC's own operators that are known here."""
    return node.op_type in _OPERATORS and node.domain in _STANDARD


def types_of(proto: onnx.ModelProto) -> dict[str, int]:
    """Return the element types of what ATC's own operators make in a model, by the tensor's name."""
    return {
        # the last of NMS is a count
        name: TensorProto.INT32 if node.op_type == "BatchMultiClassNMS" and place == 3 else TensorProto.FLOAT
        for node in proto.graph.node
        if is_vendors(node)
        for place, name in enumerate(node.output)
    }


def run(node: onnx.NodeProto, inputs: Sequence[Array]) -> list[Array]:
    """Compute a node of ATC's own operators; what its attributes and inputs cannot be is an error."""
    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    strange = [name for name, value in attributes.items() if not isinstance(value, (int, float))]
    if strange:
        raise GuideError(f"node {node.name!r}: expected {strange[0]} to be a number, or it is not rehearsed.")
    try:
        outputs = _OPERATORS[node.op_type](*inputs, **attributes)
    except TypeError as error:  # an attribute or input that is missing, or not rehearsed
        raise GuideError(f"node {node.name!r}: {error}") from None
    if len(node.output) > len(outputs):
        raise GuideError(
            f"node {node.name!r}: {node.op_type} has {len(outputs)} outputs, not {len(node.output)}."
        )
    return list(outputs[: len(node.output)])


def unknown_operators(proto: onnx.ModelProto) -> dict[str, str]:
    """Return the nodes that neither ONNX nor ATC has an operator for, by name: type as ATC's log has it.

    Those of other domains count as unknown: ATC has no parser for them.
    """
    versions = {entry.domain or "ai.onnx": entry.version for entry in proto.opset_import}
    standard = versions.get("ai.onnx", 0)
    unknown = {}
    for node in _nodes(proto.graph):
        domain = "ai.onnx" if node.domain in _STANDARD else node.domain
        known = domain == "ai.onnx" and (
            standard in OPSETS if is_vendors(node) else _has(node.op_type, standard)
        )
        if not known:
            name = node.name or next(iter(node.output), "")
            unknown[name] = f"{domain}::{versions.get(domain, 0)}::{node.op_type}"
    return unknown


def _has(operator: str, version: int) -> bool:
    try:
        return not onnx.defs.get_schema(operator, version, "").deprecated
    except onnx.defs.SchemaError:
        return False


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for branch in (attribute.g, *attribute.graphs):
                yield from _nodes(branch)
