"""VOC's average precision per class, as the original's evaluation computes it; and VOC's later one beside it.

The original's is that of VOC2007: precision at eleven recalls (Everingham et al., 2010, section 4.2). Since VOC2010 it is
the area under the precision of all recalls.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import progress
from rfcn_voc.detections import Detections
from rfcn_voc.voc import CLASSES, Objects

Array = NDArray[Any]
MATCH = 0.5  # an overlap above it
# In float64 0.3, 0.6 and 0.7 come out one step too large: a recall of exactly 3 in 10 misses its point, as in the original.
RECALLS = np.arange(0, 1.1, 0.1)


@dataclass(frozen=True)
class ClassScore:
    """One class: its easy objects, its detections, its average precision both ways.

    Without easy objects `ap` is 0, as in the original, and `ap_all_points` NaN. `rows` are the detections by descending
    score; `right` and `counted` tell which of these are right, and which count at all.
    """

    objects: int
    detections: int
    ap: float
    ap_all_points: float
    rows: Array = field(default_factory=lambda: np.empty(0, int), repr=False, compare=False)
    right: Array = field(default_factory=lambda: np.empty(0, bool), repr=False, compare=False)
    counted: Array = field(default_factory=lambda: np.empty(0, bool), repr=False, compare=False)


def mean_ap(scores: Mapping[str, ClassScore]) -> float:
    """Return the published metric: the mean over all classes, 0 for those without easy objects."""
    return sum(score.ap for score in scores.values()) / len(scores)


def mean_ap_all_points(scores: Mapping[str, ClassScore]) -> float:
    """Return the mean over the classes that have easy objects, NaN if none has."""
    aps = [score.ap_all_points for score in scores.values() if score.objects]
    return sum(aps) / len(aps) if aps else math.nan


def evaluate(objects: Objects, detections: Detections) -> dict[str, ClassScore]:
    """Score detections against the annotated objects of the same pictures; return the classes by name."""
    scores = {}
    for number, name in enumerate(progress(CLASSES, len(CLASSES), "score", "class")):
        mine = np.flatnonzero(objects.category == number)
        rows = np.flatnonzero(detections.category == number)
        rows = rows[np.argsort(-detections.score[rows], kind="stable")]  # equal scores stay in order
        best = best_objects(
            objects.picture[mine], objects.boxes[mine], detections.picture[rows], detections.boxes[rows]
        )
        difficult = objects.difficult[mine]
        right, counted = true_positives(best, difficult)
        total = int(np.count_nonzero(~difficult))
        curve = np.cumsum(right), np.cumsum(counted), total
        aps = eleven_points(*curve), all_points(*curve)
        scores[name] = ClassScore(total, len(rows), *aps, rows, right, counted)
    return scores


def best_objects(places: Array, objects: Array, picture: Array, boxes: Array) -> Array:
    """Return the object that each detection overlaps most and by more than 0.5: N int64 into `objects`, else -1.

    See `nearest_objects`; of several equal overlaps the first one counts, be it taken or difficult.
    """
    nearest, overlap = nearest_objects(places, objects, picture, boxes)
    return np.where(overlap > MATCH, nearest, -1)


def nearest_objects(places: Array, objects: Array, picture: Array, boxes: Array) -> tuple[Array, Array]:
    """Return the object that each detection overlaps most, N int64 into `objects`, and by how much, N float64.

    Only objects in its picture are looked at; without any it is -1, and 0. Of several equal overlaps the first one counts.

    Args:
        places: M int64, the pictures of the objects, of one class for the metric.
        objects: Mx4 float64, their boxes.
        picture: N int64, the pictures of the detections, of that class.
        boxes: Nx4 float64, their boxes.
    """
    by_place = np.argsort(places, kind="stable")
    counts = np.bincount(places, minlength=1 + picture.max(initial=0))
    starts = np.cumsum(counts) - counts
    # Every detection that has objects in its picture, `rows`, is paired with all of them: `owner` with `candidate`.
    rows = np.flatnonzero(counts[picture])
    repeats = counts[picture[rows]]
    firsts = np.cumsum(repeats) - repeats
    owner = np.repeat(np.arange(len(rows)), repeats)
    offset = np.arange(len(owner)) - firsts[owner]
    candidate = by_place[starts[picture[rows]][owner] + offset]
    shared = box_iou(boxes[rows][owner], objects[candidate])
    highest = np.maximum.reduceat(shared, firsts) if len(rows) else shared
    matches = np.flatnonzero(shared == highest[owner])
    _, first = np.unique(owner[matches], return_index=True)
    nearest, overlap = np.full(len(boxes), -1, np.int64), np.zeros(len(boxes))
    nearest[rows] = candidate[matches[first]]
    overlap[rows] = highest
    return nearest, overlap


def box_iou(boxes: Array, others: Array) -> Array:
    """Return intersections over unions of boxes, Nx4 float64 each, row by row; a side is xmax - xmin + 1."""
    first, second = boxes.T, others.T
    width = np.minimum(first[2], second[2]) - np.maximum(first[0], second[0]) + 1
    height = np.minimum(first[3], second[3]) - np.maximum(first[1], second[1]) + 1
    common = np.maximum(width, 0) * np.maximum(height, 0)
    union = _areas(first) + _areas(second) - common
    # A box that ends before it begins shares nothing; its area may be what makes the union 0.
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def _areas(boxes: Array) -> Array:
    return (boxes[2] - boxes[0] + 1) * (boxes[3] - boxes[1] + 1)


def true_positives(best: Array, difficult: Array) -> tuple[Array, Array]:
    """Tell for each detection, by descending score, whether it is right and whether it counts at all: N bool each.

    The first one on an object is right, later ones are wrong; on a difficult object it counts neither way.
    """
    hits = np.flatnonzero(best >= 0)
    hard = difficult[best[hits]]
    easy = hits[~hard]
    right, counted = np.zeros(len(best), bool), np.ones(len(best), bool)
    right[easy[np.unique(best[easy], return_index=True)[1]]] = True
    counted[hits[hard]] = False
    return right, counted


def interpolated(found: Array, tried: Array, total: int, recalls: Array) -> Array:
    """Return the best precision at each of the recalls or a higher one, 0 where that is not reached.

    Args:
        found: N int64, how many objects are found among the detections up to each one.
        tried: N int64, how many of these detections count.
        total: the easy objects there are.
        recalls: K float64, ascending.
    """
    if not total:
        return np.zeros(len(recalls))
    return np.append(_envelope(found, tried), 0.0)[np.searchsorted(found / total, recalls)]


def eleven_points(found: Array, tried: Array, total: int) -> float:
    """Return the average precision at eleven recalls, see `interpolated`; 0 without easy objects."""
    return float(np.sum(interpolated(found, tried, total, RECALLS) / len(RECALLS)))


def all_points(found: Array, tried: Array, total: int) -> float:
    """Return the average precision over all recalls, see `interpolated`; NaN without easy objects."""
    if not total:
        return math.nan
    return float(np.sum(np.diff(found / total, prepend=0.0) * _envelope(found, tried)))


def _envelope(found: Array, tried: Array) -> Array:
    """Return the best precision at the recall of each detection or a higher one."""
    return np.maximum.accumulate((found / np.maximum(tried, 1))[::-1])[::-1]
