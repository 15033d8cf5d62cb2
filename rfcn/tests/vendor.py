"""ATC's two operators and the published pooling kernel in plain numpy, written from their descriptions."""

from __future__ import annotations

import math

import numpy as np
from onnx.reference.op_run import OpRun

F = np.float32
CELLS = 84


def c_round(value):
    """C's round(): half away from zero."""
    return F(math.copysign(math.floor(abs(float(value)) + 0.5), float(value)))


def edges(low, high):
    """Start and end of the seven bins between two coordinates, in float32 without fused operations."""
    start = c_round(low) * F(0.0625)
    end = (c_round(high) + F(1)) * F(0.0625)
    size = max(end - start, F(0.1)) / F(7)
    found = []
    for p in range(7):
        first = math.floor(F(p) * size + start)
        last = math.ceil(F(p + 1) * size + start)
        found.append((min(max(first, 0), CELLS), min(max(last, 0), CELLS)))
    return found


def psroi(maps, regions):
    """Maps 1x(49*C)x84x84 and regions Nx5 to the bins' means, NxCx7x7 float32."""
    grid = maps[0].reshape(-1, 7, 7, CELLS, CELLS)
    pooled = np.zeros((len(regions), len(grid), 7, 7), np.float32)
    for n, (_, x1, y1, x2, y2) in enumerate(regions):
        columns, rows = edges(x1, x2), edges(y1, y2)
        for i, (top, bottom) in enumerate(rows):
            for j, (left, right) in enumerate(columns):
                if bottom > top and right > left:
                    pooled[n, :, i, j] = grid[:, i, j, top:bottom, left:right].mean(axis=(1, 2))
    return pooled


def area(boxes):
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def overlaps(box, boxes):
    """Plain intersection over union, nothing added to the sides."""
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    return shared / (area(box) + area(boxes) - shared)


def suppress(boxes, scores, score_threshold, iou_threshold, most):
    """Boxes Nx4 and scores N to the rows kept, best first, equal ones in their order."""
    left = np.flatnonzero((scores > score_threshold) & (area(boxes) > 0))
    left = left[np.argsort(-scores[left], kind="stable")]
    kept = []
    while len(left) and len(kept) < most:
        kept.append(left[0])
        left = left[1:][overlaps(boxes[left[0]], boxes[left[1:]]) <= F(iou_threshold)]
    return np.array(kept, int)


class BatchMultiClassNMS(OpRun):
    op_domain = ""

    def _run(self, boxes, scores, **_):
        assert boxes.shape == (1, 6000, 1, 4)
        assert scores.shape == (1, 6000, 1)
        rows = suppress(
            boxes[0, :, 0], scores[0, :, 0], self.score_threshold, self.iou_threshold, self.max_size_per_class
        )[: self.max_total_size]
        count, size = len(rows), self.max_total_size
        found = np.zeros((1, size, 4), np.float32)
        found[0, :count] = boxes[0, rows, 0]
        values = np.zeros((1, size), np.float32)
        values[0, :count] = scores[0, rows, 0]
        return found, values, np.zeros((1, size), np.float32), np.array([count], np.int32)


class PSROIPooling(OpRun):
    op_domain = ""

    def _run(self, maps, regions, **_):
        assert regions.shape == (1, 5, 300)
        assert (self.spatial_scale, self.group_size) == (0.0625, 7)
        assert maps.shape[1] == 49 * self.output_dim
        return (psroi(maps, regions[0].T),)


OPERATORS = [BatchMultiClassNMS, PSROIPooling]
