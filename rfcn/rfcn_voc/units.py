"""What VOC's figure is computed of, picture by picture; see `common.report.units`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from common.report.units import Units
from rfcn_voc.detections import Detections
from rfcn_voc.metric import RECALLS, ClassScore
from rfcn_voc.voc import CLASSES, Objects, Picture, Voc, drawn_corners


def units_of(data: Voc, objects: Objects, detections: Detections, scores: Mapping[str, ClassScore]) -> Units:
    """Return what the metric decided of the detections in the pictures, class by class."""
    easy = ~objects.difficult
    rows = np.concatenate([scores[name].rows for name in CLASSES])
    return Units(
        "boxes",
        ("mAP",),
        [picture.name for picture in data.pictures.values()],
        {
            "truth_unit": objects.picture[easy].astype(np.int32),
            "truth_class": objects.category[easy].astype(np.int16),
            "unit": detections.picture[rows].astype(np.int32),
            "class": detections.category[rows].astype(np.int16),
            "score": detections.score[rows],
            "right": np.concatenate([scores[name].right for name in CLASSES])[None],
            "ignored": ~np.concatenate([scores[name].counted for name in CLASSES])[None],
            "classes": np.array(CLASSES),
            "recalls": RECALLS,
            "empty_counts": np.array(True),
            "paths": np.array([_path(picture) for picture in data.pictures.values()], str),
            "corners": drawn_corners(detections.boxes[rows]).astype(np.float32),
            "truth_corners": drawn_corners(objects.boxes[easy]).astype(np.float32),
        },
    )


def _path(picture: Picture) -> str:
    """Return where a picture is, nothing where it is not at hand."""
    return str(picture.path.absolute()) if picture.path.is_file() else ""
