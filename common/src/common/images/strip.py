"""Pictures side by side: one that was looked for, and those that were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_MARGIN, _TEXT = 10, 30  # pixels around the pictures, and below them for the labels
_MISSING = 200  # the grey of a picture that is not there any more


def strip(query: Array, matches: Sequence[tuple[Array | None, str]]) -> Array:
    """Return a strip, HxWx3 uint8 BGR: the query, a gap, then the matches from the nearest on, each with its label below.

    All pictures are uint8 BGR of the query's size; None is one that cannot be read any more.
    """
    height, width = query.shape[:2]
    side = (width + _MARGIN) * (len(matches) + 1) + 3 * _MARGIN
    canvas = np.full((height + _TEXT + 2 * _MARGIN, side, 3), 255, np.uint8)
    left = _MARGIN
    for picture, label in [(query, "query"), *matches]:
        canvas[_MARGIN : _MARGIN + height, left : left + width] = _MISSING if picture is None else picture
        (size, _), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
        place = (left + (width - size) // 2, _MARGIN + height + 22)
        cv2.putText(canvas, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        left += width + (_MARGIN if label != "query" else 3 * _MARGIN)
    return canvas
