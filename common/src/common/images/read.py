"""Reading pictures, and writing them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.files import write_array
from common.images.header import Header, read_file, read_header
from common.images.jpeg import decode_jpeg

Array = NDArray[Any]
# What OpenCV has to say of a damaged picture is said in our own message. OpenCV 5 moved the function.
_opencv: Any = cv2
(_opencv.setLogLevel if hasattr(cv2, "setLogLevel") else _opencv.utils.logging.setLogLevel)(0)
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")


def read_image(path: Path, *, own: bool = False) -> Array:
    """Read a picture as HxWx3 uint8, BGR, 0..255, as `cv2.imread` does (EXIF rotation applied).

    A JPEG, PNG or BMP that is whole is read; anything else is an error. Of one's `own` picture, which is not to measure
    anything, a JPEG damaged in the middle is read all the same and noted.
    """
    return decode_image(read_file(path), str(path), own=own)


def decode_image(data: bytes, name: str, *, own: bool = False) -> Array:
    """Decode the content of a picture file, see `read_image`; `name` is what errors call it."""
    return decode(data, name, "BGR", lambda _: with_opencv(data), own=own, upright=True)


def decode(
    data: bytes,
    name: str,
    order: str,
    rest: Callable[[Header], Array | None],
    *,
    own: bool,
    upright: bool,
) -> Array:
    """Decode the content of a picture file, see `read_image`, to the order of colours "BGR" or "RGB".

    `rest` decodes what `decode_jpeg` does not, and returns None for what it cannot. EXIF rotation is applied if
    `upright`.
    """
    header = read_header(data, name)
    try:
        image, damage = decode_jpeg(data, header, order) if header.colours else (None, None)
        if image is None:
            image = rest(header)
    except MemoryError:
        raise no_memory(name, header.width, header.height) from None
    if image is None:
        raise GuideError(
            f"{name}: not a picture that can be read ({len(data)} bytes). "
            "Copy or download this file again, or leave it out."
        )
    if damage and not own:
        raise GuideError(f"{name}: the picture is damaged ({damage}). Copy or download this file again.")
    if damage:
        _note(f"{name}: the picture is damaged ({damage}); what is found in it may be wrong.")
    return _turned(image, header.orientation) if upright else image


def no_memory(name: str, width: int, height: int) -> GuideError:
    """Return the error that there is not enough memory for a picture."""
    return GuideError(f"{name}: not enough memory for its {width}x{height} pixels. Make it smaller first.")


def with_opencv(data: bytes) -> Array | None:
    """Decode with OpenCV: HxWx3 uint8 BGR as stored, None for what it cannot."""
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        if error.code == _opencv.Error.StsNoMem:
            raise MemoryError from None
        return None


def write_image(path: Path, image: Array) -> None:
    """Write a picture, HxWx3 uint8 BGR, in the format of its suffix, complete or not at all."""
    try:
        done, data = cv2.imencode(path.suffix, image)
    except cv2.error:  # an unknown suffix, no pixel
        done = False
    if not done:
        raise GuideError(
            f"{path}: OpenCV cannot write {image.shape[1]}x{image.shape[0]} pixels in that format."
        )
    write_array(path, data)


@functools.cache  # once for each picture, which is read again to be drawn on
def _note(text: str) -> None:
    print(f"note: {text}")


def _turned(image: Array, orientation: int) -> Array:
    """Turn a picture as EXIF's orientation says, 1 to 8."""
    if orientation > 4:
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)
