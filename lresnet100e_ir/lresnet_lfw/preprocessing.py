"""From an aligned face to the network's input, as the guide's preprocessing script makes it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.images.planes import planes

Array = NDArray[Any]
SIZE = 112
# What each of the 256 values of a pixel becomes, computed in float32 and in the original's order.
_VALUES = (np.arange(256, dtype=np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)


def network_input(image: Array) -> Array:
    """Scale an aligned face, 112x112x3 uint8 BGR, to 3x112x112 float32 BGR, -1..1. Nothing is resized."""
    if image.shape != (SIZE, SIZE, 3):
        height, width = image.shape[:2]
        raise GuideError(
            f"expected an aligned face of {SIZE}x{SIZE} pixels, found {width}x{height}. "
            "Align the face by its landmarks and crop it first."
        )
    return planes(image, _VALUES)


def mirror(face: Array) -> Array:
    """Mirror a network input, 3xHxW, left to right."""
    return np.ascontiguousarray(face[..., ::-1])
