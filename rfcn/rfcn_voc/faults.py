"""What went wrong, and what it costs: missed objects, and boxes where no object of their class counts for them.

The cost of a fault is by how much mAP would be higher without it, all else left as it is: the average precision of its class
is computed again. That is exact, and quick: only what comes before a right box decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from common.cli import progress
from rfcn_voc.detections import Detections
from rfcn_voc.metric import Array, ClassScore, eleven_points, nearest_objects
from rfcn_voc.voc import CLASSES, Objects

LEAST = 1e-6  # of mAP; with 100 boxes a picture, most of those that are wrong score too low to cost that
NEAR = 0.1  # overlap from which on a box is taken for an attempt at an object


@dataclass(frozen=True)
class Faults:
    """How objects and boxes were counted, in the order of these, and what each fault costs.

    Attributes:
        missed: which of the objects no box found; difficult ones are none of them.
        missed_costs: of the objects, 0 for those that are not missed.
        false: which of the boxes are false objects: wrong, no attempt at a missed object, and at a cost of LEAST or more.
        false_costs: of the boxes that are wrong and no attempts, 0 for the others.
        nearest: the object of its class that a box overlaps most, -1 where its picture has none.
        overlap: with that object.
        attempts: the missed object that a box came near to, -1 for none.
        right: which of the boxes are right.
        ignored: which of the boxes are on difficult objects, and count neither way.
        missed_cost: what all missed objects cost together.
        false_cost: what all false ones cost together.
        picture_costs: what all faults of a picture cost together.
    """

    missed: Array
    missed_costs: Array
    false: Array
    false_costs: Array
    nearest: Array
    overlap: Array
    attempts: Array
    right: Array
    ignored: Array
    missed_cost: float
    false_cost: float
    picture_costs: Array


class _Costs:
    """What changes of a class's boxes are worth in mAP; most of them occur many times."""

    def __init__(self, score: ClassScore) -> None:
        self._ap, self._objects = score.ap, score.objects
        self._tried = np.cumsum(score.counted)[score.right]
        self._known: dict[tuple[int, bytes], float] = {}

    def gain(self, found: int, gone: Array) -> float:
        """Return what it is worth if so many objects more are found first of all, and boxes are gone.

        Precision only falls from one right box to the next, so those alone are looked at. `gone` are of each wrong box
        that is gone how many right ones come before it.
        """
        rights = len(self._tried)
        gone = gone[gone < rights]  # what comes after the last right one costs nothing
        key = (found, gone.tobytes())
        if key not in self._known:
            first, fewer = np.arange(1, found + 1), np.cumsum(np.bincount(gone, minlength=rights))
            ap = eleven_points(
                np.concatenate((first, np.arange(1, rights + 1) + found)),
                np.concatenate((first, self._tried + found - fewer)),
                self._objects,
            )
            self._known[key] = (ap - self._ap) / len(CLASSES)
        return self._known[key]


def judge(
    pictures: int, objects: Objects, detections: Detections, scores: Mapping[str, ClassScore]
) -> Faults:
    """Return all faults of detections in so many pictures, see `metric.evaluate`, which returned these scores of them."""
    boxes = len(detections.score)
    found = Faults(
        missed=np.zeros(len(objects.category), bool),
        missed_costs=np.zeros(len(objects.category)),
        false=np.zeros(boxes, bool),
        false_costs=np.zeros(boxes),
        nearest=np.full(boxes, -1),
        overlap=np.zeros(boxes),
        attempts=np.full(boxes, -1),
        right=np.zeros(boxes, bool),
        ignored=np.zeros(boxes, bool),
        missed_cost=0.0,
        false_cost=0.0,
        picture_costs=np.zeros(pictures),
    )
    missed, false = 0.0, 0.0
    for number, name in enumerate(progress(CLASSES, len(CLASSES), "faults", "class")):
        costs = _judge(number, objects, detections, scores[name], found)
        missed, false = missed + costs[0], false + costs[1]
    return replace(found, missed_cost=missed, false_cost=false)


def _judge(
    number: int, objects: Objects, detections: Detections, score: ClassScore, found: Faults
) -> tuple[float, float]:
    """Fill in what is found of one class; return what its missed and its false objects cost together."""
    mine, rows = np.flatnonzero(objects.category == number), score.rows
    nearest, found.overlap[rows] = nearest_objects(
        objects.picture[mine], objects.boxes[mine], detections.picture[rows], detections.boxes[rows]
    )
    found.nearest[rows] = np.append(mine, -1)[nearest]
    found.right[rows], found.ignored[rows] = score.right, ~score.counted
    found.missed[mine] = ~objects.difficult[mine]
    found.missed[found.nearest[rows[score.right]]] = False

    costs = _Costs(score)
    before = np.cumsum(score.right)  # of the right ones, how many come before each box that is wrong
    wrong = np.flatnonzero(score.counted & ~score.right)
    near = found.nearest[rows[wrong]]
    is_attempt = (found.overlap[rows[wrong]] >= NEAR) & np.append(found.missed, False)[near]
    tries, false = wrong[is_attempt], wrong[~is_attempt]
    found.attempts[rows[tries]] = near[is_attempt]

    missed = mine[found.missed[mine]]
    around = _by_owner(near[is_attempt], before[tries])
    none = np.empty(0, np.int64)
    for place in missed.tolist():
        found.missed_costs[place] = costs.gain(1, around.get(place, none))
    worth = {gap: costs.gain(0, np.array([gap])) for gap in np.unique(before[false]).tolist()}
    found.false_costs[rows[false]] = [worth[gap] for gap in before[false].tolist()]
    found.false[rows[false]] = found.false_costs[rows[false]] >= LEAST

    in_picture = np.bincount(objects.picture[missed], minlength=len(found.picture_costs))
    counts = before[wrong] < np.count_nonzero(score.right)
    gaps = _by_owner(detections.picture[rows[wrong[counts]]], before[wrong[counts]])
    for place in sorted({*gaps, *objects.picture[missed].tolist()}):
        found.picture_costs[place] += costs.gain(int(in_picture[place]), gaps.get(place, none))
    costly = false[found.false[rows[false]]]
    return costs.gain(len(missed), before[tries]), costs.gain(0, before[costly])


def _by_owner(owners: Array, values: Array) -> dict[int, Array]:
    """Return the values of each owner, in order."""
    order = np.argsort(owners, kind="stable")
    each, starts = np.unique(owners[order], return_index=True)
    return dict(zip(each.tolist(), np.split(values[order], starts[1:]), strict=False))
