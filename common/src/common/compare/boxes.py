"""Detections of two networks side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def same_boxes(found: Array, wanted: Array, pixels: float, score: float) -> int:
    """Count the detections that have an equal on the other side, in both directions; return the smaller count.

    Args:
        found: Nx5 (xmin, ymin, xmax, ymax, score), or Nx6 with a category, which has to be the same.
        wanted: the other side's, Mx5 or Mx6.
        pixels: how far the sides of equal boxes may be apart.
        score: how far their scores may be.
    """
    if not len(found) or not len(wanted):
        return 0
    difference = np.abs(found[:, None] - wanted[None])
    same = (difference[..., :4].max(axis=2) <= pixels) & (difference[..., 4] <= score)
    same &= (difference[..., 5:] == 0).all(axis=2)
    return int(min(same.any(axis=0).sum(), same.any(axis=1).sum()))
