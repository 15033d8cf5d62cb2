"""From detections to COCO's figures; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

from common.report.figures import Figures
from efficientdet_coco import metric
from efficientdet_coco.coco import SMALLEST, Coco, Detections


def score(data: Coco, detections: Detections) -> Figures:
    """Return COCO's twelve figures of detections as `coco.read_detections` returns them."""
    metrics, table = metric.evaluate(data, detections)
    crowds = int(data.objects.crowd.sum())
    left_out = data.total - len(data.pictures)
    note = (
        f"; {left_out} with a side under {SMALLEST} pixels left out, as in the original" if left_out else ""
    )
    return Figures(
        metrics=metrics,
        pictures=data.total,
        counts={"objects": len(data.objects.crowd) - crowds, "crowds": crowds},
        names=[picture.path.name for picture in data.pictures.values()],
        text=f"{table}mAP: {metrics['AP']:.4f}\n{data.total} pictures{note}\n",
    )
