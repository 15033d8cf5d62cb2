"""From the network's ten maps to detections, as effdet computes them (numpy, no torch)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientdet_coco.preprocessing import SIZE, Letterbox

Array = NDArray[Any]
LEVELS = (3, 4, 5, 6, 7)
CLASSES = 90
ANCHORS = 9  # per place: three octaves of three aspects
CANDIDATES = 5000
DETECTIONS = 100
OVERLAP = 0.5
_SAMPLE = 61  # every how many-th logit is looked at first; no divisor of the maps' sides, to take all columns


@functools.cache
def anchors() -> Array:
    """Return the anchors, 49104x4 float32 (ymin, xmin, ymax, xmax) in canvas pixels, not clipped.

    Order: levels P3 to P7, rows, columns, octaves 0, 1/3, 2/3, aspects (1, 1), (1.4, 0.7), (0.7, 1.4).
    """
    boxes = []
    for level in LEVELS:
        stride = 2**level
        centres = np.arange(stride / 2, SIZE, stride)
        y, x = np.meshgrid(centres, centres, indexing="ij")
        sizes = np.array([4 * stride * 2 ** (octave / 3) for octave in range(3)])
        halves = sizes[:, None, None] * np.array([(1, 1), (0.7, 1.4), (1.4, 0.7)]) / 2  # height, width
        centre = np.stack((y, x), axis=-1)[:, :, None, None]
        boxes.append(np.concatenate((centre - halves, centre + halves), axis=-1).reshape(-1, 4))
    return np.concatenate(boxes).astype(np.float32)


def top_candidates(logits: Sequence[Array]) -> tuple[Array, Array, Array]:
    """Return the 5000 largest of all class logits, largest first: logit, anchor, class (from 0), each 5000.

    Args:
        logits: per level 810xSxS float32, channel 90 * anchor + class.
    """
    # A bound that leaves some more than 5000 is found in a sample; where it leaves fewer, all are candidates.
    sample = np.concatenate([level.ravel()[::_SAMPLE] for level in logits])
    rank = len(sample) - 2 * CANDIDATES // _SAMPLE
    bound = np.partition(sample, rank)[rank]
    kept = [np.flatnonzero(level >= bound) for level in logits]
    if sum(map(len, kept)) < CANDIDATES:
        kept = [np.arange(level.size) for level in logits]
    values = np.concatenate([level.ravel()[indices] for level, indices in zip(logits, kept, strict=True)])
    order = np.argsort(-values, kind="stable")[:CANDIDATES]
    anchor, category = _places(kept, [level.shape[-1] for level in logits])
    return values[order], anchor[order], category[order]


def _places(indices: Sequence[Array], sides: Sequence[int]) -> tuple[Array, Array]:
    """Return anchors and classes of indices into the maps of each level."""
    found, categories = [], []
    first = 0
    for here, side in zip(indices, sides, strict=True):
        channel, place = np.divmod(here, side * side)
        kind, category = np.divmod(channel, CLASSES)
        found.append(first + place * ANCHORS + kind)
        categories.append(category)
        first += ANCHORS * side * side
    return np.concatenate(found), np.concatenate(categories)


def decode(regressions: Sequence[Array], chosen: Array) -> Array:
    """Return the boxes of chosen anchors, Nx4 float32 (xmin, ymin, xmax, ymax) in canvas pixels.

    Args:
        regressions: per level 36xSxS float32, channel 4 * anchor + (ty, tx, th, tw).
        chosen: indices of anchors, N.
    """
    # Channels last, so that an anchor's four values lie together: 49104x4.
    maps = [level.transpose(1, 2, 0).reshape(-1, 4) for level in regressions]
    ty, tx, th, tw = np.concatenate(maps)[chosen].T
    ymin, xmin, ymax, xmax = anchors()[chosen].T
    two = np.float32(2)
    height, width = ymax - ymin, xmax - xmin
    y, x = ty * height + (ymin + ymax) / two, tx * width + (xmin + xmax) / two
    with np.errstate(over="ignore"):  # a side beyond float32 is infinite, and clipped to the picture later
        h, w = np.exp(th) * height, np.exp(tw) * width
    return np.stack((x - w / two, y - h / two, x + w / two, y + h / two), axis=1)


def nms(boxes: Array, classes: Array) -> Array:
    """Return the indices of the first 100 boxes, best first, that none better of their class overlaps by over 0.5.

    Args:
        boxes: Nx4 float32 (xmin, ymin, xmax, ymax), best first.
        classes: N.
    """
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    members = {category: np.flatnonzero(classes == category) for category in np.unique(classes).tolist()}
    gone = np.zeros(len(boxes), bool)
    kept: list[int] = []
    with np.errstate(invalid="ignore"):  # 0/0 of two boxes without area is no overlap
        for best in range(len(boxes)):
            if gone[best]:
                continue
            kept.append(best)
            if len(kept) == DETECTIONS:
                break
            rivals = members[int(classes[best])]
            low = np.maximum(boxes[best, :2], boxes[rivals, :2])
            high = np.minimum(boxes[best, 2:], boxes[rivals, 2:])
            width, height = np.maximum(high - low, 0).T
            shared = width * height
            overlap = shared / (areas[best] + areas[rivals] - shared)
            gone[rivals[overlap > OVERLAP]] = True
    return np.array(kept, int)


def detect(maps: Sequence[Array], placed: Letterbox) -> Array:
    """Return at most 100 detections, Nx6 float32 (xmin, ymin, xmax, ymax, score, category), best first.

    Boxes are in the picture's own pixels, clipped to it; categories are COCO's, 1 to 90.

    Args:
        maps: the ten outputs for one picture, without the batch.
        placed: how the picture lies on the canvas.
    """
    logits, anchor, category = top_candidates(maps[:5])
    scale = np.float32(placed.scale)
    limits = np.array([placed.width, placed.height], np.float32) / scale
    boxes = np.clip(decode(maps[5:], anchor), 0, np.concatenate((limits, limits)))
    kept = nms(boxes, category)
    with np.errstate(over="ignore"):  # a logit below -88 has the score 0
        scores = 1 / (1 + np.exp(-logits[kept]))
    return np.column_stack((boxes[kept] * scale, scores, category[kept] + 1)).astype(np.float32)
