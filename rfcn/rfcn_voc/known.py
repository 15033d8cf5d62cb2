"""The known answers of R-FCN, see `common.compare.known`: made-up outputs and predictions, by formula."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compare.known import Known
from common.engine.task import Outputs
from rfcn_voc import metric
from rfcn_voc.detections import Detections
from rfcn_voc.preprocessing import placement
from rfcn_voc.task import TASK
from rfcn_voc.voc import CLASSES, Objects

Array = NDArray[Any]
REGIONS = 300
LIKELY = (3, 8, 15)  # the categories of most objects, so that they overlap
FEW = 40  # of the objects found are recorded
# How far predictions lie beside their objects, in widths: no overlap is near the limit of one half.
SHIFTS = np.array((0.0, 0.1, 0.25, 0.6))


def results() -> Mapping[str, Array]:
    """Return the objects that `TASK.finish` makes of random outputs: the best of them, and how many there are."""
    random = np.random.Generator(np.random.PCG64(0)).random
    low = random((REGIONS, 2)) * (600, 350)
    rois = np.concatenate((np.zeros((REGIONS, 1)), low, low + 40 + 150 * random((REGIONS, 2))), axis=1)
    weights = random((REGIONS, 1 + len(CLASSES))) ** 12
    weights[:, LIKELY] += random((REGIONS, len(LIKELY))) ** 2
    moves = 2 * random((REGIONS, 4 * (1 + len(CLASSES)))) - 1
    outputs = (rois, weights / weights.sum(axis=1, keepdims=True), moves)
    found = TASK.finish([output.astype(np.float32) for output in outputs], placement(600, 400))
    return {"objects": found[:FEW], "how many": np.array([len(found)])}


def figures() -> Mapping[str, float]:
    """Return VOC's figures of predictions beside objects of all classes, some of them difficult."""
    k = np.arange(8 * len(CLASSES))
    picture, category = k % 7, k // 8
    low = np.stack((10.0 + 60 * (k % 8), 20.0 + 3 * category), axis=1)
    boxes = np.concatenate((low, low + np.stack((50.0 + k % 5, 70.0 + k % 3), axis=1)), axis=1)
    difficult = k % 9 == 4
    objects = Objects(picture, category, boxes, difficult)
    moved = boxes.copy()
    moved[:, ::2] += (SHIFTS[(k * 3 + k // 5) % len(SHIFTS)] * (boxes[:, 2] - boxes[:, 0]))[:, None]
    found = metric.evaluate(objects, Detections(picture, category, (k * 37 % 161 + 1) / 162, moved))
    right = metric.evaluate(objects, Detections(picture, category, 1 - k / 200, boxes))
    return {
        "mAP": metric.mean_ap(found),
        "mAP all points": metric.mean_ap_all_points(found),
        "AP cat": found["cat"].ap,
        "mAP of the truth itself": metric.mean_ap(right),
    }


def sorted_columns(outputs: Outputs) -> Outputs:
    """Return outputs, 300xC each, with every column sorted: which of nearly equal regions comes first is left out."""
    return [np.sort(output, axis=0) for output in outputs]


KNOWN = Known(Path(__file__).with_name("known.json"), results, figures, sorted_columns)
