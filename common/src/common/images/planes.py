"""From pixels to a network's input: one look-up for each of a pixel's 256 values."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


def planes(
    image: NDArray[np.uint8], values: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the channels of a picture apart, with what each value becomes: HxWx3 uint8 to 3xHxW float32.

    Args:
        image: the picture; the order of its channels stays. A fourth channel is left out.
        values: what each of the 256 values of a pixel becomes, 3x256, or 256 for all channels alike.
        out: what the result is written to, whose rows may lie apart; it is returned.
    """
    scaled = np.empty((3, *image.shape[:2]), np.float32) if out is None else out
    tables: Any = values if values.ndim == 2 else (values,) * 3
    for channel, table, target in zip(cv2.split(image)[:3], tables, scaled, strict=True):
        cv2.LUT(channel, table, target)
    return scaled
