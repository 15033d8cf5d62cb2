"""From detections to VOC's figures; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.report.figures import Figures
from rfcn_voc import metric
from rfcn_voc.details import details
from rfcn_voc.detections import Detections
from rfcn_voc.metric import ClassScore
from rfcn_voc.units import units_of
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
        units=units_of(data, objects, detections, scores),
        details=partial(details, data, objects, detections, scores),
    )


def against(found: Mapping[str, NDArray[Any]], truth: Mapping[str, NDArray[Any]]) -> tuple[str, float]:
    """Return VOC's mAP of the objects found, with the better half of another network's as those to find.

    Both are by stem, Nx6 (see `postprocessing.detect`). Of the worse half rounding decides which are among the 100 of a
    picture. It is the mean over the classes of these objects, over all points; NaN where there is none to find.
    """
    places = {stem: number for number, stem in enumerate(truth)}
    every = _joined(truth, places)
    best = every.score >= (np.median(every.score) if len(every.score) else 0)
    easy = np.zeros(np.count_nonzero(best), bool)
    objects = Objects(every.picture[best], every.category[best], every.boxes[best], easy)
    return "mAP", metric.mean_ap_all_points(metric.evaluate(objects, _joined(found, places)))


def _joined(found: Mapping[str, NDArray[Any]], places: Mapping[str, int]) -> Detections:
    """Return objects by stem as they are when they are read from files."""
    picture = np.repeat([places[stem] for stem in found], [len(rows) for rows in found.values()])
    rows = np.concatenate([np.empty((0, 6)), *found.values()])
    return Detections(picture, rows[:, 5].astype(np.int64) - 1, rows[:, 4], rows[:, :4] + 1)


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
