"""What COCO's figure is computed of, picture by picture; see `common.report.units`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.report.units import Units
from efficientdet_coco.coco import Coco, Detections
from efficientdet_coco.matching import LIMITS
from efficientdet_coco.metric import RECALLS, Judged


def units_of(data: Coco, detections: Detections, judged: Sequence[Judged]) -> Units:
    """Return what the metric decided of the detections in the measured pictures, category by category."""
    pictures = sorted(data.pictures.values(), key=lambda picture: picture.identity)
    identities = np.array([picture.identity for picture in pictures], np.int64)

    def joined(parts: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
        return np.concatenate([np.empty(0, kind), *parts]).astype(kind)

    def classes(counts: Sequence[int]) -> NDArray[Any]:
        return np.repeat(np.arange(len(judged), dtype=np.int16), counts)

    def decided(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([np.empty((len(LIMITS), 0), bool), *parts], axis=1)

    def corners(boxes: NDArray[Any], places: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """Return some boxes of those that are x, y, width, height."""
        some = boxes[joined(places, np.int64)].astype(np.float32)
        some[:, 2:] += some[:, :2]
        return some

    return Units(
        "boxes",
        ("AP",),
        [picture.path.name for picture in pictures],
        {
            "truth_unit": np.searchsorted(identities, joined([e.truths for e in judged], np.int64)).astype(
                np.int32
            ),
            "truth_class": classes([len(each.truths) for each in judged]),
            "unit": np.searchsorted(identities, joined([e.pictures for e in judged], np.int64)).astype(
                np.int32
            ),
            "class": classes([len(each.pictures) for each in judged]),
            "score": joined([each.scores for each in judged], np.float64),
            "right": decided([each.right for each in judged]),
            "ignored": decided([each.ignored for each in judged]),
            "classes": np.array([str(each.category) for each in judged], str),
            "recalls": RECALLS,
            "empty_counts": np.array(False),
            "paths": np.array(
                [str(picture.path.absolute()) if picture.path.is_file() else "" for picture in pictures], str
            ),
            "corners": corners(detections.boxes, [each.rows for each in judged]),
            "truth_corners": corners(data.objects.boxes, [each.objects for each in judged]),
        },
    )
