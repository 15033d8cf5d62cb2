"""The way from ten maps to detections as the facts describe it, step by step: slow, plain, an oracle."""

from __future__ import annotations

import math

import numpy as np


def flat_logits(logits):
    """All class logits in the original's order: levels, rows, columns, anchors, classes."""
    return np.concatenate([level.transpose(1, 2, 0).ravel() for level in logits])


def top(logits, count=5000, above=-math.inf):
    """Logit, anchor and class of the largest above a limit."""
    flat = flat_logits(logits)
    kept = np.flatnonzero(flat > above)
    order = kept[np.argsort(-flat[kept], kind="stable")][:count]
    return flat[order], order // 90, order % 90


def anchor(index):
    """Centre y, x, height and width of an anchor."""
    for level in range(3, 8):
        stride, side = 2**level, 512 // 2**level
        if index < 9 * side * side:
            place, kind = divmod(index, 9)
            y, x = divmod(place, side)
            size = 4 * stride * 2 ** (kind // 3 / 3)
            wide, high = ((1, 1), (1.4, 0.7), (0.7, 1.4))[kind % 3]
            return stride * (y + 0.5), stride * (x + 0.5), size * high, size * wide
        index -= 9 * side * side
    raise IndexError(index)


def decode(regressions, index):
    """One box, xyxy: the anchor moved and scaled."""
    rest = index
    for level in regressions:
        side = level.shape[-1]
        if rest < 9 * side * side:
            place, kind = divmod(rest, 9)
            ty, tx, th, tw = level[4 * kind : 4 * kind + 4, place // side, place % side].tolist()
            break
        rest -= 9 * side * side
    y, x, height, width = anchor(index)
    y, x, height, width = y + ty * height, x + tx * width, math.exp(th) * height, math.exp(tw) * width
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def overlap(a, b):
    """Intersection over union, plain; 0 where both are empty."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(width, 0) * max(height, 0)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / union if union else 0.0


def nms(boxes, classes, most=100):
    """Greedy suppression, class by class; boxes by descending score."""
    kept = []
    for i, box in enumerate(boxes):
        if all(classes[k] != classes[i] or overlap(boxes[k], box) <= 0.5 for k in kept):
            kept.append(i)
    return kept[:most]


def detect(maps, width, height, above):
    """Detections with a logit above a limit, rows of xyxy, score, category."""
    scale = max(width, height) / 512
    logits, anchors, classes = top(maps[:5], above=above)
    found = range(len(logits))
    limits = [width / scale, height / scale] * 2
    boxes = [
        [
            min(max(value, 0), limit)
            for value, limit in zip(decode(maps[5:], int(anchors[i])), limits, strict=True)
        ]
        for i in found
    ]
    kept = nms(boxes, [classes[i] for i in found])
    return [
        [*(value * scale for value in boxes[i]), 1 / (1 + math.exp(-logits[i])), classes[i] + 1] for i in kept
    ]
