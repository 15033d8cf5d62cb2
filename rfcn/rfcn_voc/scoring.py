"""From detections to VOC's figures; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import math
from collections.abc import Mapping

from common.report.figures import Figures
from rfcn_voc import metric
from rfcn_voc.detections import Detections
from rfcn_voc.metric import ClassScore
from rfcn_voc.voc import Objects, Voc


def score(data: Voc, objects: Objects, detections: Detections) -> Figures:
    """Return AP per class and the means, of detections as `detections.read_detections` returns them.

    Both annotated objects and detections are those of the pictures of `data`.
    """
    scores = metric.evaluate(objects, detections)
    mean, mean_all = metric.mean_ap(scores), metric.mean_ap_all_points(scores)
    lines = [
        f"Mean AP = {mean:.4f}",
        f"Mean AP over all points = {_digits(mean_all)}, as VOC measures since 2010; not the published metric",
    ]
    if empty := [name for name, found in scores.items() if not found.objects]:
        lines.append(
            "classes without objects that are not difficult count as 0 in the first mean, as in the original, and not "
            f"in the second: {', '.join(empty)}"
        )
    easy, boxes = (sum(s.objects for s in scores.values()), sum(s.detections for s in scores.values()))
    lines.append(f"{len(data.pictures)} pictures, {easy} objects that are not difficult, {boxes} detections")
    return Figures(
        metrics={
            "mAP": mean,
            "mAP all points": mean_all,
            **{f"AP {name}": found.ap for name, found in scores.items()},
        },
        pictures=len(data.pictures),
        counts={"objects": len(objects.category), "objects that are not difficult": easy},
        names=[picture.name for picture in data.pictures.values()],
        text=_table(scores) + "".join(f"{line}\n" for line in lines),
    )


def _table(scores: Mapping[str, ClassScore]) -> str:
    lines = [f"{'class':12}{'objects':>8}{'AP, 11 points':>16}{'AP, all points':>16}\n"]
    lines += [
        f"{name:12}{found.objects:8}{found.ap:16.4f}{_digits(found.ap_all_points):>16}\n"
        for name, found in scores.items()
    ]
    return "".join(lines)


def _digits(value: float) -> str:
    """Return a figure with four decimals, a dash for one that there is not."""
    return "-" if math.isnan(value) else f"{value:.4f}"
