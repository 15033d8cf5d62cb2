"""From detections to COCO's figures; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.report.figures import Figures
from efficientdet_coco import metric
from efficientdet_coco.coco import SMALLEST, Coco, Detections, Objects, Picture
from efficientdet_coco.details import details
from efficientdet_coco.units import units_of

SLIVER = 1.0  # pixels


def score(data: Coco, detections: Detections) -> Figures:
    """Return COCO's twelve figures of detections as `coco.read_detections` returns them."""
    judged: list[metric.Judged] = []
    metrics, table = metric.evaluate(data, detections, judged)
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
        units=units_of(data, detections, judged),
        details=partial(details, data, detections, judged),
    )


def against(found: Mapping[str, NDArray[Any]], truth: Mapping[str, NDArray[Any]]) -> tuple[str, float]:
    """Return COCO's mAP of the objects found, with the better half of another network's as those to find.

    Both are by stem, Nx6 (see `postprocessing.detect`). Of the worse half rounding decides which are among the 100 of a
    picture. NaN where there is none to find, 0 where none is found.
    """
    ids = {stem: number for number, stem in enumerate(truth, 1)}
    every = _joined(truth, ids)
    least = float(np.median(every.score)) if len(every.score) else 0.0
    wanted = every.only(np.flatnonzero(every.score >= least))
    tried = _joined(found, ids)
    if not len(wanted.score):
        return "mAP", math.nan
    if not len(tried.score):
        return "mAP", 0.0
    area = wanted.boxes[:, 2] * wanted.boxes[:, 3]
    objects = Objects(wanted.picture, wanted.category, wanted.boxes, area, np.zeros(len(area), bool))
    pictures = {stem: Picture(number, Path(stem), 0, 0) for stem, number in ids.items()}
    categories = tuple(np.unique(wanted.category).tolist())
    data = Coco(pictures, objects, categories, np.array(list(ids.values())), len(ids))
    figures, _ = metric.evaluate(data, tried)
    return "mAP", figures["AP"]


def _joined(found: Mapping[str, NDArray[Any]], ids: Mapping[str, int]) -> Detections:
    """Return objects by stem in COCO's form; slivers at the border, whose overlaps mean nothing, are left out."""
    picture = np.repeat([ids[stem] for stem in found], [len(rows) for rows in found.values()])
    rows = np.concatenate([np.empty((0, 6)), *found.values()])
    boxes = np.concatenate((rows[:, :2], rows[:, 2:4] - rows[:, :2]), axis=1)
    return Detections(picture, rows[:, 5].astype(np.int64), boxes, rows[:, 4]).only(
        np.flatnonzero(boxes[:, 2:].min(axis=1, initial=np.inf) >= SLIVER)
    )
