"""Reading pictures for Pillow, as the originals do that resize with it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from common.images.header import Header, read_file
from common.images.read import decode, no_memory, with_opencv

Image.MAX_IMAGE_PIXELS = None  # `header.read_header` has the say


def read_rgb(path: Path, *, own: bool = False) -> Image.Image:
    """Read a picture as RGB, with the pixels that Pillow reads, see `read.read_image`.

    EXIF rotation is applied to one's `own` picture alone: in a data set the originals do not.
    """
    data = read_file(path)
    image = decode(data, str(path), "RGB", lambda header: _rest(data, header), own=own, upright=own)
    try:
        return Image.fromarray(image)
    except MemoryError:
        raise no_memory(str(path), image.shape[1], image.shape[0]) from None


def _rest(data: bytes, header: Header) -> NDArray[Any] | None:
    """Decode a JPEG in CMYK with Pillow, whose colours differ from OpenCV's by up to 2 of 255, all else with OpenCV."""
    if header.colours != 4:
        image = with_opencv(data)
        return image if image is None else np.ascontiguousarray(image[..., ::-1])
    try:
        with Image.open(io.BytesIO(data)) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError, ValueError):
        return None
