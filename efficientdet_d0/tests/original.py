"""COCO's figures by pycocotools, the published evaluation."""

from __future__ import annotations

import contextlib
import io

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def evaluate(content, rows, pictures):
    """Return the twelve figures and the table that is printed.

    Args:
        content: annotations as in COCO's JSON; no object may have the id 0, which stands for none.
        rows: detections as in a results JSON.
        pictures: the ids of the pictures to measure on.
    """
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        truth = COCO()
        truth.dataset = content
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes([dict(row) for row in rows]), "bbox")
        evaluation.params.imgIds = list(pictures)
        evaluation.evaluate()
        evaluation.accumulate()
        printed.truncate(0)
        printed.seek(0)
        evaluation.summarize()
    return evaluation.stats.tolist(), printed.getvalue()
