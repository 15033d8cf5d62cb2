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
_FILL = (124, 116, 104)  # the mean colour, rounded
# What each of the 256 values of a pixel becomes, per channel, computed in float32 and in the original's order: 3x256.
_VALUES = (np.arange(256, dtype=np.float32) - _MEAN) / _DEVIATION


@dataclass(frozen=True)
class Letterbox:
    """How a picture lies on the canvas: its own width and height, and what canvas pixels are multiplied by."""

    width: int
    height: int
    scale: float


def letterbox(image: Image.Image) -> tuple[NDArray[np.uint8], Letterbox]:
    """Scale a picture to fit 512x512, bilinear, and put it in the upper left corner of the mean colour.

    Sides are truncated, not rounded: a longer side of 49 or 685 pixels becomes 511.

    Returns:
        The canvas, 512x512x3 uint8 RGB, and how the picture lies on it.
    """
    scale = min(SIZE / image.height, SIZE / image.width)
    width, height = int(image.width * scale), int(image.height * scale)
    if not width or not height:
        raise GuideError(f"the picture is too narrow: {image.width}x{image.height} pixels.")
    canvas = Image.new("RGB", (SIZE, SIZE), _FILL)
    canvas.paste(image.resize((width, height), Image.Resampling.BILINEAR))
    return np.asarray(canvas), Letterbox(image.width, image.height, 1 / scale)


def network_input(canvas: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Normalise a canvas as for ImageNet: 512x512x3 uint8 RGB to 3x512x512 float32 RGB."""
    return planes(canvas, _VALUES)


def placement(width: int, height: int) -> Letterbox:
    """Return how a picture of that size lies on the canvas."""
    return Letterbox(width, height, 1 / min(SIZE / height, SIZE / width))
