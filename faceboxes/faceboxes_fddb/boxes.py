"""Overlap of boxes as FaceBoxes and FDDB count it: both border pixels belong to a box."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def box_iou(boxes: Array, others: Array) -> Array:
    """Return intersections over unions, NxM, of boxes Nx4 and Mx4 (xmin, ymin, xmax, ymax), in their dtype.

    A side is xmax - xmin + 1.
    """
    first, second = boxes.T[:, :, None], others.T[:, None, :]
    width = np.minimum(first[2], second[2]) - np.maximum(first[0], second[0]) + 1
    height = np.minimum(first[3], second[3]) - np.maximum(first[1], second[1]) + 1
    common = np.maximum(width, 0) * np.maximum(height, 0)
    return common / (_areas(first) + _areas(second) - common)


def _areas(boxes: Array) -> Array:
    return (boxes[2] - boxes[0] + 1) * (boxes[3] - boxes[1] + 1)
