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
    factor = SIZE / max(image.shape[:2])
    if round(min(image.shape[:2]) * factor) < 1:
        raise GuideError(f"the picture is too narrow: {image.shape[1]}x{image.shape[0]} pixels.")
    # Nearest neighbour copies values, so uint8 gives what the original computes in float32.
    resized = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    canvas = np.zeros((SIZE, SIZE, 3), np.uint8)
    canvas[: resized.shape[0], : resized.shape[1]] = resized
    return canvas, factor
