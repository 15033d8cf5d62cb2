"""From a picture to the network's input, as R-FCN's data loader and the guide's padding make it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.cli import shorten

Array = NDArray[Any]
SIZE = 1344
SHORTER_SIDE = 512
_MEAN = 50.674869  # of all three channels
# What each of the 256 values of a pixel becomes: subtracted in float64, kept as float32, as in the original.
_VALUES = (np.arange(256) - _MEAN).astype(np.float32)
_MARGIN = 64  # columns and rows resized beyond the canvas: the last of a row may be rounded otherwise


@dataclass(frozen=True)
class Letterbox:
    """How a picture lies on the canvas: its own size, the factor it is resized by, and its size after that.

    The resized size is that of the whole picture, also where the canvas holds only a part of it.
    """

    width: int
    height: int
    scale: float
    resized_width: int
    resized_height: int

    @property
    def im_info(self) -> NDArray[np.float32]:
        """The original's `im_info`, 3 float32: resized height, resized width, scale."""
        return np.array((self.resized_height, self.resized_width, self.scale), np.float32)

    @property
    def cropped(self) -> bool:
        """Whether the canvas holds only the upper or left part of the picture."""
        return max(self.resized_width, self.resized_height) > SIZE


def placement(width: int, height: int) -> Letterbox:
    """Return how a picture of that size lies on the canvas: its shorter side becomes 512.

    The original has a limit for the longer side in its configuration, but does not apply it.
    """
    scale = SHORTER_SIDE / min(width, height)
    return Letterbox(width, height, scale, round(width * scale), round(height * scale))


def network_input(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the network's input for a picture, HxWx3 uint8 BGR: 3x1344x1344 float32 BGR, pixel values less 50.674869.

    The picture is resized, bilinear, so that its shorter side is 512, and lies in the upper left corner; the rest
    is 0. What would lie beyond the canvas is cut off, as the original's negative padding does.
    """
    height, width = image.shape[:2]
    placed = placement(width, height)
    # All three channels at once, in this order: OpenCV may round the last values of a row otherwise than the rest.
    values = cv2.LUT(image[: _needed(height, placed), : _needed(width, placed)], _VALUES)
    # The factor, not the size: OpenCV would compute a slightly different factor from a rounded size.
    resized = cv2.resize(values, None, fx=placed.scale, fy=placed.scale, interpolation=cv2.INTER_LINEAR)
    resized = resized[:SIZE, :SIZE]
    canvas = np.zeros((3, SIZE, SIZE), np.float32)
    cv2.split(resized, [plane[: resized.shape[0], : resized.shape[1]] for plane in canvas])
    return canvas


def _needed(length: int, placed: Letterbox) -> int:
    """Return how many pixels of a side of that length have to be resized to give the canvas its share, bit for bit.

    OpenCV resizes in another way where the resized size needs no rounding. So whole multiples of the number of
    pixels that become a whole number of pixels are left out: what is rounded stays the same.
    """
    shorter = min(placed.width, placed.height)
    step = shorter // math.gcd(shorter, SHORTER_SIDE)
    enough = math.ceil((SIZE + _MARGIN) / placed.scale) + 2  # the pixels on both sides of a place are mixed
    return length - max(0, length - enough) // step * step


def note_cropped(pictures: Mapping[str, Letterbox]) -> None:
    """Print one note about the pictures, by name, that the canvas does not hold as a whole; none, no note."""
    names = [name for name, placed in pictures.items() if placed.cropped]
    if names:
        print(
            f"note: {len(names)} of {len(pictures)} pictures are cut on the right or at the bottom, beyond {SIZE} "
            f"resized pixels, because one side is over {SIZE / SHORTER_SIDE} times the other: {shorten(names)}. "
            "The original cuts them, too, without a word."
        )
