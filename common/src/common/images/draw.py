"""Detections drawn on a picture."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import cv2
from numpy.typing import NDArray

Array = NDArray[Any]
Colour = tuple[int, int, int]
GREEN = (0, 255, 0)


def colour_of(category: int) -> Colour:
    """Return a bright colour, BGR, a different one for each category."""
    red, green, blue = colorsys.hsv_to_rgb(category * 0.381966 % 1, 0.65, 1)
    return round(255 * blue), round(255 * green), round(255 * red)


def draw_boxes(image: Array, boxes: Array, labels: Sequence[str], colours: Sequence[Colour]) -> Array:
    """Return a copy of a picture, HxWx3 uint8 BGR, with boxes and their labels drawn on it, the first on top.

    `boxes` are Nx4 (xmin, ymin, xmax, ymax) in pixels, `colours` BGR. A label stands above its box, or inside it where
    there is no room above.
    """
    drawn = image.copy()
    side = max(image.shape[:2])
    thickness, size = max(1, round(side / 400)), max(0.4, side / 1000)
    rows = list(zip(boxes.tolist(), labels, colours, strict=True))
    for (xmin, ymin, xmax, ymax), label, colour in reversed(rows):
        left, top, right, bottom = (round(value) for value in (xmin, ymin, xmax, ymax))
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, thickness)
        (width, height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
        left = min(max(left, 0), max(image.shape[1] - width, 0))
        base = top - thickness if top >= height + 3 * thickness else max(top, 0) + height + 3 * thickness
        corner = (left, base - height - 2 * thickness)
        cv2.rectangle(drawn, corner, (left + width, base + thickness), colour, cv2.FILLED)
        place = (left, base - thickness)
        cv2.putText(drawn, label, place, cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), thickness)
    return drawn
