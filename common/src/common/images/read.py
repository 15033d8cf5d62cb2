"""Reading pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.files import write_array

Array = NDArray[Any]
# What OpenCV has to say of a damaged picture is said in our own message. OpenCV 5 moved the function.
_opencv: Any = cv2
(_opencv.setLogLevel if hasattr(cv2, "setLogLevel") else _opencv.utils.logging.setLogLevel)(0)
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def read_image(path: Path) -> Array:
    """Read a picture as HxWx3 uint8, BGR, 0..255, as `cv2.imread` does (EXIF rotation applied).

    Raises GuideError where `cv2.imread` would return None or, for a truncated JPEG or PNG, a picture
    whose missing part is filled with grey.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise GuideError(f"{path}: no such picture.") from None
    return decode_image(data, str(path))


def decode_image(data: bytes, name: str) -> Array:
    """Decode the content of a picture file, see `read_image`; `name` is what errors call it."""
    if _is_truncated(data):
        raise GuideError(
            f"{name}: the picture is truncated: {len(data)} bytes, and its end marker is missing. "
            "Copy or download this file again."
        )
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # more pixels than OpenCV accepts, a damaged header
        image = None
    if image is None:
        raise GuideError(
            f"{name}: not a picture that OpenCV can read ({len(data)} bytes). "
            "Copy or download this file again, or leave it out."
        )
    return image


def write_image(path: Path, image: Array) -> None:
    """Write a picture, HxWx3 uint8 BGR, in the format of its suffix, complete or not at all."""
    _, data = cv2.imencode(path.suffix, image)
    write_array(path, data)


def _is_truncated(data: bytes) -> bool:
    """Tell whether a JPEG or PNG ends before its end marker."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return b"IEND\xaeB`\x82" not in data
    if not data.startswith(b"\xff\xd8"):
        return False
    # Walk the segments to the first scan: an EXIF thumbnail is a JPEG with an end marker of its own.
    position = 2
    while data[position : position + 1] == b"\xff":
        marker = data[position + 1 : position + 2]
        if marker == b"\xff":  # fill byte
            position += 1
        elif marker == b"\xda":
            return data.find(b"\xff\xd9", position) < 0
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return position >= len(data)
