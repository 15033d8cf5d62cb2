"""From a picture to the network's input, as the guide's preprocessing script makes it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError

Array = NDArray[Any]
SIZE = 1024


def letterbox(image: Array) -> tuple[Array, float]:
    """Scale a picture so that its longer side is 1024 and pad it, bottom and right, with 0.

    Args:
        image: HxWx3 uint8, BGR.

    Returns:
        The padded picture, 1024x1024x3 uint8, BGR, and the factor it was scaled by.
    """
    height, width = image.shape[:2]
    factor = SIZE / max(height, width)
    if round(min(height, width) * factor) < 1:
        raise GuideError(f"the picture is too narrow: {width}x{height} pixels.")
    rows, columns = _seen(height, factor), _seen(width, factor)
    if factor < 1:
        image, rows = image[rows], np.arange(len(rows))
    # Nearest neighbour copies values, so uint8 gives what the original computes in float32, and a row can be resized
    # once and then copied to all its places. OpenCV does nothing to a picture of the right size.
    if len(columns) == width:
        resized = image[:, columns]
    else:
        resized = cv2.resize(image, None, fx=factor, fy=1, interpolation=cv2.INTER_NEAREST)
    if len(columns) < SIZE:
        resized = cv2.copyMakeBorder(resized, 0, 0, 0, SIZE - len(columns), cv2.BORDER_CONSTANT)
    canvas = np.empty((SIZE, SIZE, 3), np.uint8)
    np.take(resized, rows, axis=0, out=canvas[: len(rows)], mode="clip")  # any other mode makes a copy first
    canvas[len(rows) :] = 0
    return canvas, factor


def _seen(length: int, factor: float) -> NDArray[np.intp]:
    """Return which of `length` pixels is seen at each place after resizing, by the rule of OpenCV's nearest neighbour."""
    places = np.arange(round(length * factor))
    return np.minimum((places * (1 / factor)).astype(np.intp), length - 1)
