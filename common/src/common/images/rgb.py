"""Reading pictures with the pixels that Pillow reads, as the originals do that resize with it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.images.header import Header, read_file
from common.images.read import decode, with_opencv

Array = NDArray[Any]
Image.MAX_IMAGE_PIXELS = None  # `header.read_header` has the say


def read_rgb(path: Path, *, own: bool = False, order: str = "RGB") -> Array:
    """Read a picture as HxWx3 uint8 in the order "RGB" or "BGR", with the pixels that Pillow reads, see `read.read_image`.

    EXIF rotation is applied to one's `own` picture alone: in a data set the originals do not.
    """
    data = read_file(path)
    return decode(data, str(path), order, lambda header: _rest(data, header, order), own=own, upright=own)


def _rest(data: bytes, header: Header, order: str) -> Array | None:
    """Decode a JPEG in CMYK with Pillow, whose colours differ from OpenCV's by up to 2 of 255, all else with OpenCV."""
    if header.colours == 4:
        image, found = _with_pillow(data), "RGB"
    else:
        image, found = with_opencv(data), "BGR"
    return image if image is None or found == order else np.ascontiguousarray(image[..., ::-1])


def _with_pillow(data: bytes) -> Array | None:
    """Decode with Pillow: HxWx3 uint8 RGB, None for what it cannot."""
    try:
        with Image.open(io.BytesIO(data)) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        return None
