"""What went wrong in each picture, and what it costs: missed faces, and boxes where no face counts for them.

The cost of a fault is by how much the average AP would be higher without it, all else left as it is: the 1000 thresholds
and what scores are stretched by. It is exact for boxes in descending order of scores, as FDDB_dets.txt has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faceboxes_fddb.boxes import box_iou
from faceboxes_fddb.fddb import Fold, Picture
from faceboxes_fddb.metric import THRESHOLDS, FoldScore, first_hits, levels, reaching, stretched

Array = NDArray[Any]
MISSED: Literal["missed faces"] = "missed faces"
FALSE: Literal["false faces"] = "false faces"
NEAR = 0.1  # overlap from which on a box is taken for an attempt at a face
_ALL = np.ones(len(THRESHOLDS), int)


@dataclass(frozen=True)
class Judged:
    """A picture with faces, and how its boxes were counted.

    `boxes` are Nx4, `scores` N, `levels` N see `metric.levels`; `overlap` is with the face `best` that a box overlaps most,
    `hits` tells which were counted, `missed` of each face whether no box found it. `attempts` are of each box the missed face
    that it came near to, or -1.
    """

    fold: int
    picture: Picture
    boxes: Array
    scores: Array
    levels: Array
    best: Array
    overlap: Array
    hits: Array
    missed: Array
    attempts: Array
    cost: float = 0.0


@dataclass(frozen=True)
class Fault:
    """A missed face or a false one: the number of the face or box in its picture, and its cost."""

    kind: Literal["missed faces", "false faces"]
    judged: Judged
    place: int
    cost: float


class _Costs:
    """What changes of a fold's counts are worth in the average AP; most of them occur many times."""

    def __init__(self, score: FoldScore, folds: int) -> None:
        self._score, self._folds, self._ap = score, folds, score.ap
        self._known: dict[bytes, float] = {}

    def gain(self, matched: int, gone: Array) -> float:
        """Return what it is worth if so many faces more are found first of all, and boxes with these levels are gone."""
        proposals = matched * _ALL - reaching(gone)
        key = matched.to_bytes(4, "little") + proposals.tobytes()
        if key not in self._known:
            better = replace(
                self._score,
                matched=self._score.matched + matched,
                proposals=self._score.proposals + proposals,
            )
            self._known[key] = (better.ap - self._ap) / self._folds
        return self._known[key]


def judge(
    folds: Sequence[Fold], detections: Mapping[str, Array], scores: Sequence[FoldScore]
) -> tuple[list[Judged], list[Fault], dict[str, float]]:
    """Return all pictures that have faces, in order, their faults, and what those of each kind cost together.

    Args:
        folds: the annotated pictures.
        detections: by stem, see `metric.evaluate`.
        scores: what that returned of them.
    """
    stretch, counted = stretched(folds, detections), sum(score.faces > 0 for score in scores)
    pictures: list[Judged] = []
    faults: list[Fault] = []
    totals = {MISSED: 0.0, FALSE: 0.0}
    for number, (fold, score) in enumerate(zip(folds, scores, strict=True)):
        costs = _Costs(score, counted)
        missed, near, false = 0, [np.empty(0)], [np.empty(0)]
        for picture in fold:
            if len(picture.faces):
                found = detections[picture.stem]
                judged = _judge(number, picture, found, stretch(found[:, 4]))
                cost = costs.gain(int(judged.missed.sum()), judged.levels[~judged.hits])
                judged = replace(judged, cost=cost)
                pictures.append(judged)
                faults += _faults(judged, costs)
                missed += int(judged.missed.sum())
                near.append(judged.levels[judged.attempts >= 0])
                false.append(judged.levels[~judged.hits & (judged.attempts < 0)])
        if score.faces:
            totals[MISSED] += costs.gain(missed, np.concatenate(near))
            totals[FALSE] += costs.gain(0, np.concatenate(false))
    return pictures, faults, totals


def _judge(fold: int, picture: Picture, found: Array, stretched_scores: Array) -> Judged:
    boxes = np.concatenate((found[:, :2], found[:, :2] + found[:, 2:4]), axis=1)
    shared = box_iou(boxes, picture.boxes)
    best, overlap = shared.argmax(axis=1), shared.max(axis=1)
    hits = first_hits(boxes, picture.boxes) if len(boxes) else np.zeros(0, bool)
    missed = np.ones(len(picture.faces), bool)
    missed[best[hits]] = False
    attempts = np.where(~hits & missed[best] & (overlap >= NEAR), best, -1)
    level = levels(stretched_scores)
    return Judged(fold, picture, boxes, found[:, 4], level, best, overlap, hits, missed, attempts)


def _faults(judged: Judged, costs: _Costs) -> Iterator[Fault]:
    """Yield what is wrong in a picture; a box that came near a missed face is part of that fault."""
    for face in np.flatnonzero(judged.missed).tolist():
        yield Fault(MISSED, judged, face, costs.gain(1, judged.levels[judged.attempts == face]))
    for box in np.flatnonzero(~judged.hits & (judged.attempts < 0)).tolist():
        yield Fault(FALSE, judged, box, costs.gain(0, judged.levels[box : box + 1]))
