"""Pictures as phones and broken copies give them, and what every directory's `prepare` must make of them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from common.errors import GuideError
from common.images.read import write_image

# A PNG's chunk: a TIFF directory with the one entry "orientation", to be turned by 90 degrees to the right.
EXIF = b"eXIfII*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"


def picture(width: int, height: int) -> np.ndarray:
    """Return a smooth picture, HxWx3 uint8 BGR."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (5, 5), 0)


def check_damaged(
    folder: Path, measured: Callable[[Path], Any], own: Callable[[Path], Any], size: tuple[int, int]
) -> str:
    """Check that a JPEG overwritten in the middle is refused where something is `measured`, and one's `own` is read.

    Return the note that is to be printed of the latter.
    """
    path = folder / "damaged.jpg"
    write_image(path, picture(*size))
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(800) + content[middle + 800 :])
    with pytest.raises(GuideError, match=r"damaged\.jpg: the picture is damaged \(.*\)\. Copy or download"):
        measured(path)
    own(path)
    return f"note: {path}: the picture is damaged ("


def check_turned(folder: Path, own: Callable[[Path], Any], size: tuple[int, int]) -> None:
    """Check that one's own picture is the same whether EXIF turns it or it is stored upright."""
    upright, turned = folder / "upright.png", folder / "turned.png"
    write_image(upright, picture(*size))
    write_image(turned, cv2.rotate(picture(*size), cv2.ROTATE_90_COUNTERCLOCKWISE))
    content = turned.read_bytes()
    chunk = (len(EXIF) - 4).to_bytes(4, "big") + EXIF + zlib.crc32(EXIF).to_bytes(4, "big")
    turned.write_bytes(content[:33] + chunk + content[33:])
    (first, _), (second, _) = own(upright), own(turned)
    for name, array in first.items():
        np.testing.assert_array_equal(second[name], array)
