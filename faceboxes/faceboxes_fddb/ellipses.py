"""FDDB's faces are ellipses; its evaluation compares boxes. This is how the one becomes the other."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError

Array = NDArray[Any]
MASK = 1000  # the original draws each ellipse on a mask of this side and cuts it off there


def face_boxes(faces: Array) -> Array:
    """Return the boxes around ellipses: Nx5 float64 as FDDB lists them to Nx4 int64.

    A box is (xmin, ymin, xmax, ymax) of the ellipse drawn with OpenCV on a 1000x1000 mask, xmax and ymax
    exclusive; centre and radii are truncated to whole pixels. OpenCV 4.13 and later draw 1.5 to 4 % of the
    ellipses one pixel differently from earlier versions.
    """
    boxes = np.empty((len(faces), 4), np.int64)
    for box, (major, minor, angle, centre_x, centre_y) in zip(boxes, faces, strict=True):
        radii, centre = (int(major), int(minor)), (int(centre_x), int(centre_y))
        # Only the part of the mask that the ellipse can reach; translation by whole pixels changes nothing.
        reach = max(radii) + 3
        left, top = (max(0, min(MASK, c - reach)) for c in centre)
        right, bottom = (max(0, min(MASK, c + reach)) for c in centre)
        mask = np.zeros((bottom - top, right - left), np.uint8)
        contours = []
        if mask.size:
            moved = (centre[0] - left, centre[1] - top)
            cv2.ellipse(mask, moved, radii, angle / 3.1415926 * 180, 0, 360, (255,), 1)
            contours = list(cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)[0])
        if not contours:
            raise GuideError(f"the annotated face at {centre} lies outside of {MASK}x{MASK} pixels.")
        x, y, width, height = cv2.boundingRect(contours[0])
        box[:] = left + x, top + y, left + x + width, top + y + height
    return boxes
