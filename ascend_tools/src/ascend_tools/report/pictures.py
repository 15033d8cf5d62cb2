"""The pictures of a page's cases: cut around what the case is about, small, as data in the page; boxes drawn as SVG."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.cli import message
from common.errors import GuideError
from common.images.read import decode_image, read_image
from common.report.details import Box, Shown

Array = NDArray[Any]
BUDGET = 1_700_000  # characters of all pictures of a page
MOST = 400  # pictures on a page
_STEPS = (
    (440, 82),
    (340, 80),
    (260, 76),
    (200, 70),
    (140, 60),
    (90, 50),
)  # longer side in pixels, JPEG quality
_CONTEXT = 3.0  # the cut is so many times as wide as what it is about
_LEAST = 0.55  # of the picture's sides, for one to see where it is


@dataclass(frozen=True)
class Drawn:
    """A picture ready for a page: its data: URI, the size of the cut in the picture's pixels, and the boxes in the cut.

    `left` and `top` are where the cut is in the picture.
    """

    uri: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    left: int = 0
    top: int = 0


@dataclass(frozen=True)
class _Cut:
    pixels: Array
    width: int
    height: int
    boxes: tuple[Box, ...]
    left: int
    top: int


def draw(shown: Sequence[Shown]) -> list[Drawn | str]:
    """Return each picture ready for a page, all together small enough; in the place of one that cannot be read, why."""
    cuts = [_cut(each) if number < MOST else "not drawn: too many" for number, each in enumerate(shown)]
    there = [cut for cut in cuts if isinstance(cut, _Cut)]
    encoded: list[str] = []
    for side, quality in _STEPS:
        encoded = [_encode(cut.pixels, side, quality) for cut in there]
        if sum(map(len, encoded)) <= BUDGET:
            break
    uris = iter(encoded)
    return [
        cut
        if isinstance(cut, str)
        else Drawn(next(uris), cut.width, cut.height, cut.boxes, cut.left, cut.top)
        for cut in cuts
    ]


def _cut(shown: Shown) -> _Cut | str:
    try:
        if shown.data is not None:
            image = decode_image(shown.data, shown.caption)
        elif shown.path is not None:
            image = read_image(Path(shown.path))
        else:
            return "The picture is not at hand: name the data set with --data to see it."
    except (GuideError, OSError, ValueError) as error:  # ValueError: no path
        return message(error)
    size = image.shape[1], image.shape[0]
    boxes = [box for box in (_inside(box, size) for box in shown.boxes) if box]
    left, top, right, bottom = window([box.corners for box in boxes if box.subject], size)
    moved = tuple(_moved(box, left, top) for box in boxes)
    return _Cut(
        _shrunk(image[top:bottom, left:right], _STEPS[0][0]), right - left, bottom - top, moved, left, top
    )


def window(
    subjects: Sequence[tuple[float, float, float, float]], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the part of a picture of that size to show: subjects and what is around them."""
    if not subjects:
        return 0, 0, *size
    corners = np.array(subjects)
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    sides = np.array(size, float)
    # As wide as high, as far as the picture goes; all of what it is about in any case.
    square = min(max(_CONTEXT * (high - low).max(), _LEAST * sides.min()), sides.min())
    wanted = np.minimum(np.maximum(square, 1.2 * (high - low)), sides)
    begin = np.clip((low + high - wanted) / 2, 0, sides - wanted)
    left, top = np.floor(begin).astype(int).tolist()
    right, bottom = np.ceil(begin + wanted).astype(int).tolist()
    return left, top, min(right, size[0]), min(bottom, size[1])


def _inside(box: Box, size: tuple[int, int]) -> Box | None:
    """Return a box cut off at the picture's border, None if nothing is left; its numbers may be any."""
    width, height = size
    xmin, ymin, xmax, ymax = box.corners
    xmin, xmax = (min(max(value, 0.0), float(width)) for value in (xmin, xmax))
    ymin, ymax = (min(max(value, 0.0), float(height)) for value in (ymin, ymax))
    if xmin >= xmax or ymin >= ymax:
        return None
    return Box(box.role, (xmin, ymin, xmax, ymax), box.score, box.label, box.subject)


def _moved(box: Box, left: int, top: int) -> Box:
    xmin, ymin, xmax, ymax = box.corners
    return Box(
        box.role, (xmin - left, ymin - top, xmax - left, ymax - top), box.score, box.label, box.subject
    )


def _shrunk(image: Array, side: int) -> Array:
    """Return a picture whose longer side has at most `side` pixels."""
    factor = side / max(image.shape[:2])
    if factor >= 1:
        return np.ascontiguousarray(image)
    size = max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _encode(pixels: Array, side: int, quality: int) -> str:
    done, data = cv2.imencode(".jpg", _shrunk(pixels, side), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise GuideError(f"OpenCV cannot write a JPEG of {pixels.shape[1]}x{pixels.shape[0]} pixels.")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")
