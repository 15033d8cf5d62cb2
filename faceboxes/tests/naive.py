"""The FDDB evaluation and the suppression as the facts describe them, step by step: slow, plain, an oracle."""

from __future__ import annotations

import math

import cv2
import numpy as np


def face_box(face):
    """The box of one ellipse drawn on the whole 1000x1000 mask."""
    major, minor, angle, x, y = face
    mask = np.zeros((1000, 1000), np.uint8)
    cv2.ellipse(mask, (int(x), int(y)), (int(major), int(minor)), angle / 3.1415926 * 180, 0, 360, 255, 1)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    left, top, width, height = cv2.boundingRect(contours[0])
    return left, top, left + width, top + height


def overlap(a, b):
    """Intersection over union of two boxes, sides counting both border pixels."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


def evaluate(folds, detections):
    """AP per fold, NaN without faces; arguments as `metric.evaluate` takes them."""
    scores = [row[4] for fold in folds for picture in fold for row in detections[picture.stem]]
    low, high = min([1, *scores]), max([0, *scores])
    return [fold_ap(fold, detections, low, high) for fold in folds]


def fold_ap(fold, detections, low, high):
    """AP of a fold, with scores stretched from low to high."""
    proposals, matched, faces = np.zeros(1000), np.zeros(1000), 0
    for picture in fold:
        faces += len(picture.faces)
        rows = detections[picture.stem]
        if not len(picture.faces) or not len(rows):
            continue
        truth = [face_box(face) for face in picture.faces]
        levels = [(row[4] - low) / (high - low) if high > low else math.nan for row in rows]
        found, found_after = set(), []
        for row in rows:
            box = (row[0], row[1], row[0] + row[2], row[1] + row[3])
            shared = [overlap(box, face) for face in truth]
            if max(shared) >= 0.5:
                found.add(shared.index(max(shared)))
            found_after.append(len(found))
        for t in range(1000):
            reaching = [i for i, level in enumerate(levels) if level >= 1 - (t + 1) / 1000]
            if reaching:
                proposals[t] += reaching[-1] + 1
                matched[t] += found_after[reaching[-1]]
    return _average_precision(proposals, matched, faces)


def _average_precision(proposals, matched, faces):
    if not faces:
        return math.nan
    with np.errstate(invalid="ignore"):
        precision = np.concatenate(([0], matched / proposals, [0]))
    recall = np.concatenate(([0], matched / faces, [1]))
    for i in range(len(precision) - 1, 0, -1):
        precision[i - 1] = np.maximum(precision[i - 1], precision[i])
    steps = np.where(recall[1:] != recall[:-1])[0]
    return float(np.sum((recall[steps + 1] - recall[steps]) * precision[steps + 1]))


def nms(boxes, keep):
    """Greedy suppression at an overlap of 0.3 or more; boxes by descending score."""
    kept = []
    for i, box in enumerate(boxes):
        if all(overlap(boxes[k], box) < np.float32(0.3) for k in kept):
            kept.append(i)
    return kept[:keep]
