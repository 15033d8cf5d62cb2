"""From a picture to the network's input, as the guide's preprocessing makes it with effdet's transform."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.errors import GuideError
from common.images.planes import planes

SIZE = 512
_MEAN, _DEVIATION = (
    np.array([[255 * value] for value in channel], np.float32)
    for channel in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
)
# What each of the 256 values of a pixel becomes, per channel, computed in float32 and in the original's order: 3x256.
_VALUES = (np.arange(256, dtype=np.float32) - _MEAN) / _DEVIATION
_PADDING = _VALUES[[0, 1, 2], [124, 116, 104], None, None]  # the mean colour, rounded: 3x1x1


@dataclass(frozen=True)
class Letterbox:
    """How a picture lies on the canvas: its own width and height, and what canvas pixels are multiplied by."""

    width: int
    height: int
    scale: float


def letterbox(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Letterbox]:
    """Scale a picture, HxWx3 uint8 RGB, to fit 512x512, bilinear, and return how it lies in the canvas's upper left corner.

    Sides are truncated, not rounded: a longer side of 49 or 685 pixels becomes 511.

    Returns:
        The scaled picture, hxwx4 uint8: RGB and, as Pillow keeps pixels, a byte without meaning; and how it lies.
    """
    sides = image.shape[:2]
    scale = min(SIZE / sides[0], SIZE / sides[1])
    height, width = (int(side * scale) for side in sides)
    if not width or not height:
        raise GuideError(f"the picture is too narrow: {sides[1]}x{sides[0]} pixels.")
    scaled = Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.frombuffer(scaled.tobytes("raw", "RGBX"), np.uint8)
    return pixels.reshape(height, width, 4), Letterbox(sides[1], sides[0], 1 / scale)


def network_input(scaled: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Normalise a picture as for ImageNet, and put it on the mean colour, rounded: 3x512x512 float32 RGB.

    Args:
        scaled: hxwx3 uint8 RGB, at most 512x512; a fourth channel is left out.
    """
    height, width = scaled.shape[:2]
    canvas = np.empty((3, SIZE, SIZE), np.float32)
    planes(scaled, _VALUES, canvas[:, :height, :width])
    canvas[:, :height, width:] = canvas[:, height:] = _PADDING
    return canvas


def placement(width: int, height: int) -> Letterbox:
    """Return how a picture of that size lies on the canvas."""
    return Letterbox(width, height, 1 / min(SIZE / height, SIZE / width))
