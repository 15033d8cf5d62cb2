"""From the network's outputs to face boxes: priors, decoding, filter, non-maximum suppression.

Constants and arithmetic (float32) are those of https://github.com/zisianw/FaceBoxes.PyTorch, `test.py`.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faceboxes_fddb.boxes import box_iou
from faceboxes_fddb.preprocessing import SIZE

Array = NDArray[Any]
CONFIDENCE = 0.05
TOP_K = 5000
OVERLAP = 0.3
KEEP = 750
BLOCK = 256  # candidates compared at once in the suppression; any size gives the same boxes
# Stride of the cells, and the sizes of the boxes in each with the offsets of their centres, in cells.
# Dense boxes start at the cell's top left corner; the others sit at its centre.
_SCALES = (
    (32, ((32, (0, 0.25, 0.5, 0.75)), (64, (0, 0.5)), (128, (0.5,)))),
    (64, ((256, (0.5,)),)),
    (128, ((512, (0.5,)),)),
)


@functools.cache
def priors() -> Array:
    """Return the prior boxes, 21824x4 float32: centre x, centre y, width, height as fractions of 1024.

    Order: scale, cell row, cell column, box size, offset of the centre's y, of its x (paper, section 3.2).
    """
    scales = []
    for stride, sizes in _SCALES:
        cells = SIZE // stride
        cell = np.array(
            [(dx, dy, size) for size, offsets in sizes for dy in offsets for dx in offsets], np.float64
        )
        rows, columns = np.mgrid[:cells, :cells]
        boxes = np.empty((cells, cells, len(cell), 4))
        boxes[..., 0] = (columns[..., None] + cell[:, 0]) * stride / SIZE
        boxes[..., 1] = (rows[..., None] + cell[:, 1]) * stride / SIZE
        boxes[..., 2:] = cell[:, 2:] / SIZE
        scales.append(boxes.reshape(-1, 4))
    table = np.concatenate(scales).astype(np.float32)
    table.flags.writeable = False
    return table


def decode(loc: Array, prior: Array) -> Array:
    """Turn regressions, Nx4 float32, into boxes (xmin, ymin, xmax, ymax) as fractions of 1024, not clipped."""
    centres = prior[:, :2] + loc[:, :2] * np.float32(0.1) * prior[:, 2:]
    sides = prior[:, 2:] * np.exp(loc[:, 2:] * np.float32(0.2))
    corners = centres - sides / 2
    return np.concatenate((corners, sides + corners), axis=1)


def nms(boxes: Array) -> Array:
    """Return the indices of the boxes that greedy non-maximum suppression keeps, at most 750.

    Args:
        boxes: Nx4 float32 (xmin, ymin, xmax, ymax) in pixels, by descending score. Sides count both border
            pixels (xmax - xmin + 1); an overlap of 0.3 or more suppresses.
    """
    kept = np.empty(0, np.intp)
    for start in range(0, len(boxes), BLOCK):
        block = np.arange(start, min(start + BLOCK, len(boxes)))
        block = block[~(box_iou(boxes[kept], boxes[block]) >= OVERLAP).any(axis=0)]
        covers = box_iou(boxes[block], boxes[block]) >= OVERLAP
        covered = np.zeros(len(block), bool)
        chosen = []
        for i in range(len(block)):
            if not covered[i]:
                chosen.append(i)
                covered |= covers[i]
        kept = np.concatenate((kept, block[chosen]))
        if len(kept) >= KEEP:
            break
    return kept[:KEEP]


def detect(loc: Array, conf: Array, factor: float) -> Array:
    """Return the faces of one picture.

    Args:
        loc: 21824x4 float32, regressions against the priors.
        conf: 21824x2 float32, probabilities of background and face.
        factor: what the picture was scaled by on the way into the network.

    Returns:
        Nx5 float32: xmin, ymin, xmax, ymax in pixels of the picture, not clipped to it, and score; by
        descending score, at most 750.
    """
    candidates = np.flatnonzero(conf[:, 1] > np.float32(CONFIDENCE))
    order = np.argsort(-conf[candidates, 1], kind="stable")[:TOP_K]
    chosen = candidates[order]
    boxes = decode(loc[chosen], priors()[chosen]) * np.float32(SIZE) / np.float32(factor)
    kept = nms(boxes)
    return np.concatenate((boxes[kept], conf[chosen[kept], 1:]), axis=1)
