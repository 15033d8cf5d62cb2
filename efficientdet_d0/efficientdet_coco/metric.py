"""COCO's twelve figures of detections in boxes, through pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

from common.errors import GuideError
from efficientdet_coco.coco import Coco

NAMES = (
    *("AP", "AP50", "AP75", "AP small", "AP medium", "AP large"),
    *("AR1", "AR10", "AR100", "AR small", "AR medium", "AR large"),
)


def evaluate(coco: Coco, detections: Sequence[dict[str, Any]]) -> tuple[dict[str, float], str]:
    """Return the twelve figures by name, -1 where there is nothing to measure, and pycocotools' table.

    Measured on `coco.pictures`: detections in any other picture are an error.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    identities = [picture.identity for picture in coco.pictures.values()]
    strangers = sorted(
        {row["image_id"] for row in detections} - {row["id"] for row in coco.annotations["images"]}
    )
    if strangers:
        raise GuideError(
            f"the detections are in pictures that the data set does not have: ids {strangers[:3]}."
        )
    if not detections:
        raise GuideError("there is no detection to measure.")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):  # pycocotools says what it is doing
        truth = COCO()
        truth.dataset = coco.annotations
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(detections), "bbox")
        evaluation.params.imgIds = identities
        evaluation.evaluate()
        evaluation.accumulate()
        printed.truncate(0)
        printed.seek(0)
        evaluation.summarize()
    return dict(zip(NAMES, evaluation.stats.tolist(), strict=True)), printed.getvalue()
