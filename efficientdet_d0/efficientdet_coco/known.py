"""The known answers of EfficientDet-D0, see `common.compare.known`: made-up outputs and predictions, by formula."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compare.known import Known
from efficientdet_coco import metric
from efficientdet_coco.coco import Coco, Detections, Objects, Picture
from efficientdet_coco.postprocessing import ANCHORS, CLASSES, LEVELS
from efficientdet_coco.preprocessing import SIZE, placement
from efficientdet_coco.task import TASK

Array = NDArray[Any]
LIKELY = (0, 16, 46)  # the classes, from 0, that are found in the made-up outputs
CROWDED = 5  # the first level of the pyramid where they are, so that they overlap
FEW = 40  # of the objects found are recorded
# How far predictions lie beside their objects, in widths: no overlap is near one of the limits.
SHIFTS = np.array((0.0, 0.02, 0.06, 0.12, 0.22, 0.6))
PICTURES, PER_PICTURE = 5, 12


def results() -> Mapping[str, Array]:
    """Return the objects that `TASK.finish` makes of random outputs: the best of them, and how many there are."""
    random = np.random.Generator(np.random.PCG64(0)).random
    maps = []
    for level in LEVELS:
        side = SIZE // 2**level
        logits = np.full((ANCHORS, CLASSES, side, side), -9, np.float32)
        if level >= CROWDED:
            logits[:, LIKELY] = 8 * random((ANCHORS, len(LIKELY), side, side)) - 6
        maps.append(logits.reshape(-1, side, side))
    for level in LEVELS:
        side = SIZE // 2**level
        maps.append((0.4 * random((4 * ANCHORS, side, side)) - 0.2).astype(np.float32))
    found = TASK.finish(maps, placement(600, 400))
    return {"objects": found[:FEW], "how many": np.array([len(found)])}


def figures() -> Mapping[str, float]:
    """Return COCO's figures of predictions beside objects of three categories, of all sizes, some crowds among them."""
    k = np.arange(PICTURES * PER_PICTURE)
    sides = np.array((20.0, 60.0, 130.0))[k % 3]
    corners = np.stack((17.0 + 37 * (k % PER_PICTURE), 11.0 + 29 * (k % 7)), axis=1)
    boxes = np.concatenate((corners, np.stack((sides, 1.25 * sides), axis=1)), axis=1)
    picture, category = 1 + k // PER_PICTURE, np.array((1, 18, 47))[k // 2 % 3]
    objects = Objects(picture, category, boxes, boxes[:, 2] * boxes[:, 3], k % 11 == 5)
    listed = {str(i): Picture(i, Path(f"{i}.jpg"), 640, 480) for i in range(1, PICTURES + 1)}
    data = Coco(listed, objects, (1, 18, 47), np.arange(1, PICTURES + 1), PICTURES)
    beside = boxes.copy()
    beside[:, 0] += SHIFTS[(k * 5 + k // 4) % len(SHIFTS)] * boxes[:, 2]
    found, _ = metric.evaluate(data, Detections(picture, category, beside, (k * 37 % 61 + 1) / 62))
    right, _ = metric.evaluate(data, Detections(picture, category, boxes, 1 - k / 100))
    return {**found, "AP of the truth itself": right["AP"]}


KNOWN = Known(Path(__file__).with_name("known.json"), results, figures)
