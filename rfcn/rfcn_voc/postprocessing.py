"""From the network's three outputs to detections, as the original's test script computes them (numpy, no torch)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfcn_voc.preprocessing import Letterbox

Array = NDArray[Any]
CLASSES = 20
DETECTIONS = 100
OVERLAP = np.float32(0.3)
BLOCK = 112  # candidates compared at once in the suppression; any size gives the same detections
_DEVIATIONS = np.array((0.1, 0.1, 0.2, 0.2), np.float32)  # of the regressions in training


def decode(rois: Array, regressions: Array, placed: Letterbox) -> Array:
    """Return the boxes of all classes, 4x20xN float32: xmin, ymin, xmax, ymax in pixels of the picture.

    They are clipped to the resized picture. Sides count both border pixels when a region is taken apart, and do not
    when a box is put together: so does the original.

    Args:
        rois: Nx5 float32: 0, xmin, ymin, xmax, ymax in canvas pixels.
        regressions: Nx84 float32, column 4 * class + (dx, dy, dw, dh), class 0 being the background.
        placed: how the picture lies on the canvas.
    """
    half, one = np.float32(0.5), np.float32(1)
    # Values of one kind lie together, in them those of one class: 4x20xN.
    moves = np.ascontiguousarray(regressions.reshape(len(rois), -1, 4)[:, 1:].transpose(2, 1, 0))
    moves *= _DEVIATIONS[:, None, None]
    low, high = rois[:, 1:3].T, rois[:, 3:5].T  # 2xN: x, y
    sides = high - low + one
    with np.errstate(over="ignore", invalid="ignore"):  # a side beyond float32 is infinite, and clipped
        centres = moves[:2] * sides[:, None] + (low + half * sides)[:, None]
        halves = half * (np.exp(moves[2:]) * sides[:, None])
        corners = np.stack((centres - halves, centres + halves))
    limits = placed.im_info[1::-1, None, None] - one
    np.clip(corners, 0, limits, out=corners)
    boxes: Array = corners.reshape(4, *moves.shape[1:]) / np.float32(placed.scale)
    return boxes


def nms(boxes: Array, scores: Array) -> Array:
    """Return which boxes are detections, best first: indices into the flattened 20xN.

    Per class, a box is dropped that a better one overlaps by 0.3 or more; sides count both border pixels. Of what
    is left in all classes the 100 best are kept, and what equals the 100th. The first of equal ones is the better.

    The classes are taken together, by descending score: a box is still decided after all better ones of its class,
    and the end is reached with the 100th.

    Args:
        boxes: 4x20xN float32: xmin, ymin, xmax, ymax.
        scores: 20xN float32; a box whose score is not above 0 is left out.
    """
    count = scores.shape[1]
    sides = boxes[2:] - boxes[:2] + np.float32(1)
    table = np.concatenate((boxes, sides[:1] * sides[1:]))  # with the areas: 5x20xN
    left = np.maximum(scores, 0)  # 0 for what is decided
    kept = np.empty(0, np.intp)
    while len(block := _best(left.ravel())):
        classes = (block // count).astype(np.int8)
        those = table.reshape(5, -1).take(block, axis=1)
        covers = _overlap(those[:, :, None], those[:, None])
        covers &= classes[:, None] == classes
        covered = np.zeros(len(block), bool)
        chosen = []
        for i in range(len(block)):
            if not covered[i]:
                chosen.append(i)
                covered |= covers[i]
        kept = np.concatenate((kept, block[chosen]))
        left.ravel()[block] = 0
        if len(kept) >= DETECTIONS and left.max() < scores.ravel()[kept[DETECTIONS - 1]]:
            break
        rows = classes[chosen]
        covers = _overlap(those[:, chosen, None], table.take(rows, axis=1))
        for row, gone in zip(rows.tolist(), covers, strict=True):
            left[row][gone] = 0
    found = scores.ravel()[kept]
    return kept[: np.count_nonzero(found >= found[DETECTIONS - 1])] if len(kept) > DETECTIONS else kept


def _best(scores: Array) -> Array:
    """Return the indices of the best scores above 0, at most a block, best first, the first of equal ones first."""
    last = max(0, len(scores) - BLOCK)
    bound = np.partition(scores, last)[last]
    members = np.flatnonzero(scores >= bound) if bound > 0 else np.flatnonzero(scores)
    return members[np.argsort(-scores[members], kind="stable")[:BLOCK]]


def _overlap(one: Array, other: Array) -> Array:
    """Tell which boxes overlap by 0.3 or more of their union; both are float32 of 5 rows, boxes and areas."""
    shared, height = (_shared(one[axis::2], other[axis::2]) for axis in (0, 1))
    shared *= height
    union = np.add(one[4], other[4], out=height)
    union -= shared
    shared /= union
    return shared >= OVERLAP


def _shared(one: Array, other: Array) -> Array:
    """Return how many pixels boxes share along an axis, from their first and last pixels."""
    shared: Array = np.minimum(one[1], other[1])
    shared -= np.maximum(one[0], other[0])
    shared += np.float32(1)
    return np.maximum(shared, 0, out=shared)


def detect(outputs: Sequence[Array], placed: Letterbox) -> Array:
    """Return the detections, Nx6 float32 (xmin, ymin, xmax, ymax, score, category), best first.

    Boxes are in the picture's own pixels, counted from 0; categories are VOC's, 1 to 20. There are at most 100 but
    for equal scores.

    Args:
        outputs: rois 300x5, cls_prob 300x21 and bbox_pred 300x84 of one picture, without the batch.
        placed: how the picture lies on the canvas.
    """
    rois, probabilities, regressions = outputs
    scores = np.ascontiguousarray(probabilities[:, 1:].T)
    boxes = decode(rois, regressions, placed)
    kept = nms(boxes, scores)
    columns = (*boxes.reshape(4, -1)[:, kept], scores.ravel()[kept], kept // len(rois) + 1)
    return np.stack(columns, axis=1).astype(np.float32)
