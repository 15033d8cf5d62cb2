"""The boxes from which the region proposal network starts (numpy, no torch)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRIDE = 16
CELLS = 84  # per side of the maps; the canvas has 1344 pixels
RATIOS = (0.5, 1, 2)  # height to width
SCALES = (8, 16, 32)


def base_anchors() -> NDArray[np.float32]:
    """Return the nine anchors of the first cell, 9x4 float32 (xmin, ymin, xmax, ymax), scales within ratios.

    Each is a multiple of a box around (0, 0, 15, 15) whose sides are rounded, as in Faster R-CNN's published code.
    """
    boxes = []
    for ratio in RATIOS:
        width = np.round(np.sqrt(STRIDE * STRIDE / ratio))
        height = np.round(width * ratio)
        for scale in SCALES:
            half = np.array([width * scale - 1, height * scale - 1]) / 2
            centre = (STRIDE - 1) / 2
            boxes.append(np.concatenate((centre - half, centre + half)))
    return np.array(boxes, np.float32)


@functools.cache
def anchors() -> NDArray[np.float32]:
    """Return all anchors, 63504x4 float32 (xmin, ymin, xmax, ymax) in canvas pixels: rows, columns, then the nine."""
    y, x = np.meshgrid(*2 * [np.arange(CELLS, dtype=np.float32) * STRIDE], indexing="ij")
    shifts = np.stack((x, y, x, y), axis=-1)[:, :, None]
    return (shifts + base_anchors()).reshape(-1, 4)


def centres_and_sizes() -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the anchors' centres (x, y) and sizes (width, height), each 63504x2 float32; sides count both ends."""
    corners = anchors()
    sizes = corners[:, 2:] - corners[:, :2] + 1
    return corners[:, :2] + np.float32(0.5) * sizes, sizes
