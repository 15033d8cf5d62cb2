"""FDDB's average precision, computed as the guide's evaluation script does.

What differs from VOC's AP is part of the published figure: boxes around drawn ellipses, scores stretched over
all folds together, 1000 thresholds, and no one-to-one assignment (a second box on a found face is a false
positive even where another face is nearby).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import shorten
from common.errors import GuideError
from faceboxes_fddb.boxes import box_iou
from faceboxes_fddb.fddb import Fold

Array = NDArray[Any]
MATCH = 0.5
THRESHOLDS = 1 - np.arange(1, 1001) / 1000


@dataclass(frozen=True)
class FoldScore:
    """One fold: its faces, and per threshold the boxes proposed and the faces found among them.

    Of the boxes in pictures with faces, in order: `owner` is the place of the picture in the fold, `score` the highest score
    of the box and its successors, `hit` whether it is the first to find a face.
    """

    pictures: int
    faces: int
    proposals: Array
    matched: Array
    owner: Array
    score: Array
    hit: Array

    @property
    def ap(self) -> float:
        """Area under the precision envelope over recall; NaN for a fold without faces."""
        if not self.faces:
            return math.nan
        recall = np.concatenate(([0.0], self.matched / self.faces, [1.0]))
        # Where nothing is proposed recall is still 0, so the value 0 taken for 0/0 never enters the sum.
        precision = np.concatenate(([0.0], self.matched / np.maximum(self.proposals, 1), [0.0]))
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        return float(np.sum(np.diff(recall) * envelope[1:]))


def first_hits(boxes: Array, faces: Array) -> Array:
    """Tell for each box, in order, whether it is the first to find its best face: N bool."""
    shared = box_iou(boxes, faces)
    best = shared.argmax(axis=1)
    hits = np.flatnonzero(shared.max(axis=1) >= MATCH)
    first = np.zeros(len(boxes), bool)
    first[hits[np.unique(best[hits], return_index=True)[1]]] = True
    return first


def evaluate(folds: Sequence[Fold], detections: Mapping[str, Array]) -> list[FoldScore]:
    """Score detections, by stem Nx5 float64 (x, y, width, height, score), against the annotated folds.

    Every annotated picture must have an entry, possibly without boxes; entries of other pictures are ignored.
    """
    missing = [picture.name for fold in folds for picture in fold if picture.stem not in detections]
    if missing:
        raise GuideError(
            f"{len(missing)} annotated pictures have no entry in the detections: {shorten(missing)}. "
            "A picture without faces still needs one, with the count 0.0."
        )
    stretch = stretched(folds, detections)
    return [_evaluate_fold(fold, detections, stretch) for fold in folds]


def stretched(folds: Sequence[Fold], detections: Mapping[str, Array]) -> Callable[[Array], Array]:
    """Return what stretches scores so that those of all folds together reach from 0 to 1."""
    scores = np.concatenate([np.empty(0), *(detections[p.stem][:, 4] for fold in folds for p in fold)])
    low, high = (min(1.0, scores.min()), max(0.0, scores.max())) if scores.size else (0.0, 1.0)
    # All scores equal is 0/0 in the original, and every comparison with that false: nothing is proposed.
    return (lambda s: (s - low) / (high - low)) if high > low else (lambda s: np.full_like(s, -np.inf))


def levels(scores: Array) -> Array:
    """Return up to which threshold each box of a picture is proposed, of its boxes' scores in their order.

    At a threshold the original takes all boxes up to the last one that reaches it. A box is therefore in from the
    highest score among itself and its successors.
    """
    return np.maximum.accumulate(scores[::-1])[::-1]


def _evaluate_fold(
    fold: Fold, detections: Mapping[str, Array], stretch: Callable[[Array], Array]
) -> FoldScore:
    owners, reached, hits = [np.empty(0, int)], [np.empty(0)], [np.empty(0, bool)]
    for number, picture in enumerate(fold):
        found = detections[picture.stem]
        if not len(found) or not len(picture.faces):
            continue
        boxes = np.concatenate((found[:, :2], found[:, :2] + found[:, 2:4]), axis=1)
        hits.append(first_hits(boxes, picture.boxes))
        reached.append(levels(found[:, 4]))
        owners.append(np.full(len(found), number))
    score, hit = np.concatenate(reached), np.concatenate(hits)
    level = stretch(score)
    return FoldScore(
        pictures=len(fold),
        faces=sum(len(picture.faces) for picture in fold),
        proposals=reaching(level),
        matched=reaching(level[hit]),
        owner=np.concatenate(owners),
        score=score,
        hit=hit,
    )


def reaching(levels: Array) -> Array:
    """Count, for each of the 1000 thresholds, the levels at or above it."""
    return len(levels) - np.searchsorted(np.sort(levels), THRESHOLDS, side="left")
