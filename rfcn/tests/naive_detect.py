"""The way from three outputs to detections as the facts describe it, box by box: slow, plain, an oracle."""

from __future__ import annotations

import numpy as np

F = np.float32


def decode(roi, regression, im_info):
    """One box in the picture's own pixels: xmin, ymin, xmax, ymax."""
    x1, y1, x2, y2 = roi[1:]
    width, height = x2 - x1 + F(1), y2 - y1 + F(1)
    dx, dy, dw, dh = (value * F(std) for value, std in zip(regression, (0.1, 0.1, 0.2, 0.2), strict=True))
    x = dx * width + (x1 + F(0.5) * width)
    y = dy * height + (y1 + F(0.5) * height)
    half_width, half_height = F(0.5) * (np.exp(dw) * width), F(0.5) * (np.exp(dh) * height)
    box = [x - half_width, y - half_height, x + half_width, y + half_height]
    ends = [im_info[1] - F(1), im_info[0] - F(1)] * 2
    return [min(max(value, F(0)), end) / im_info[2] for value, end in zip(box, ends, strict=True)]


def overlap(a, b):
    """Intersection over union, sides counting both border pixels."""
    width = max(F(0), min(a[2], b[2]) - max(a[0], b[0]) + F(1))
    height = max(F(0), min(a[3], b[3]) - max(a[1], b[1]) + F(1))
    areas = [(box[2] - box[0] + F(1)) * (box[3] - box[1] + F(1)) for box in (a, b)]
    return width * height / (areas[0] + areas[1] - width * height)


def nms(boxes, scores):
    """Indices that are left of one class, best first."""
    order = sorted((i for i in range(len(scores)) if scores[i] > 0), key=lambda i: -scores[i])
    kept = []
    for i in order:
        if all(overlap(boxes[k], boxes[i]) < F(0.3) for k in kept):
            kept.append(i)
    return kept


def detect(rois, probabilities, regressions, im_info, most=100):
    """Rows of box, score, category; by descending score, equal ones by category, then by roi."""
    rows = []
    for category in range(1, probabilities.shape[1]):
        columns = slice(4 * category, 4 * category + 4)
        boxes = [decode(roi, row[columns], im_info) for roi, row in zip(rois, regressions, strict=True)]
        scores = probabilities[:, category]
        rows += [[*boxes[i], scores[i], category] for i in nms(boxes, scores)]
    if len(rows) > most:
        bound = sorted((row[4] for row in rows), reverse=True)[most - 1]
        rows = [row for row in rows if row[4] >= bound]
    return sorted(rows, key=lambda row: -row[4])
