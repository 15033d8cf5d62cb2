"""From a picture of a person to the network's input, as the guide's preprocessing script makes it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from common.errors import GuideError

HEIGHT, WIDTH = 384, 128
_MEAN = np.array((0.485, 0.456, 0.406), np.float32)
_DEVIATION = np.array((0.229, 0.224, 0.225), np.float32)
# What each of the 256 values of a pixel becomes, per channel, computed in float32 and in the original's order: 3x256.
_VALUES = (np.arange(256, dtype=np.float32) / np.float32(255) - _MEAN[:, None]) / _DEVIATION[:, None]


def read_person(path: Path) -> NDArray[np.uint8]:
    """Read a picture with Pillow and resize it, bilinear, to 384x128x3 uint8 RGB.

    EXIF rotation is not applied, as the original does not.
    """
    try:
        with Image.open(path) as image:
            image.load()
            person = image.convert("RGB")
    except FileNotFoundError:
        raise GuideError(f"{path}: no such picture.") from None
    except UnidentifiedImageError:
        raise GuideError(
            f"{path}: not a picture that Pillow can read ({path.stat().st_size} bytes). "
            "Copy or download this file again, or leave it out."
        ) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise GuideError(
            f"{path}: the picture is damaged ({error}). Copy or download this file again."
        ) from None
    if person.size != (WIDTH, HEIGHT):
        person = person.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
    return np.asarray(person)


def network_input(person: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Normalise a picture as for ImageNet: 384x128x3 uint8 RGB to 3x384x128 float32 RGB."""
    scaled = np.empty((3, *person.shape[:2]), np.float32)
    for channel, values, target in zip(cv2.split(person), _VALUES, scaled, strict=True):
        cv2.LUT(channel, values, target)
    return scaled
