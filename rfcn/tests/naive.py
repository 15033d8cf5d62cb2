"""VOC's evaluation as the facts describe it, step by step: slow, plain, an oracle."""

from __future__ import annotations

import math

import numpy as np


def overlap(a, b):
    """Intersection over union of two boxes, sides counting both border pixels."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def evaluate_class(truth, rows):
    """Easy objects, detections, AP at eleven recalls and AP over all of one class.

    `truth`: by picture a list of (box, difficult); `rows`: (picture, score, box) of the detections.
    """
    easy = sum(not difficult for objects in truth.values() for _, difficult in objects)
    taken = set()
    right = wrong = 0
    curve = []
    for picture, _, box in sorted(rows, key=lambda row: -row[1]):
        best, best_overlap = None, -math.inf
        for number, (other, _) in enumerate(truth.get(picture, [])):
            if overlap(box, other) > best_overlap:
                best, best_overlap = number, overlap(box, other)
        if best_overlap > 0.5:
            if truth[picture][best][1]:
                pass  # difficult: neither right nor wrong
            elif (picture, best) in taken:
                wrong += 1
            else:
                taken.add((picture, best))
                right += 1
        else:
            wrong += 1
        if easy:
            curve.append((right / easy, right / max(right + wrong, np.finfo(np.float64).eps)))
    return easy, len(rows), eleven_points(curve), all_points(curve) if easy else math.nan


def eleven_points(curve):
    ap = 0.0
    for threshold in np.arange(0, 1.1, 0.1):
        ap += max((precision for recall, precision in curve if recall >= threshold), default=0) / 11
    return ap


def all_points(curve):
    area = 0.0
    recalls = sorted({recall for recall, _ in curve if recall})
    for before, recall in zip([0, *recalls], recalls, strict=False):
        area += (recall - before) * max(p for r, p in curve if r >= recall)
    return area
