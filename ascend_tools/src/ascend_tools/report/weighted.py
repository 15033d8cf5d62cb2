"""The figures of a run computed again, each picture, pair or query counted as often as asked for.

Counted once each they are the metric's own figures; a test in each model's directory compares them. Everything that does not
depend on how often a picture counts, such as all sorting, is done once; and a few draws at a time are gone through together,
which takes a quarter of the time that one by one takes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.report.units import Units

Array = NDArray[Any]
Figures = Callable[
    [Array], Array
]  # from how often each of N units counts in D draws, NxD int64, to FxD figures, float64


def figures_of(units: Units) -> Figures:
    """Return what computes the figures, in the order of `units.figures`, of how often each unit counts."""
    kinds: Mapping[str, Callable[[Mapping[str, Array]], Figures]] = {
        "boxes": _Boxes,
        "folds": _Folds,
        "pairs": _Pairs,
        "queries": _Queries,
    }
    return kinds[units.kind](units.arrays)


def _running(values: Array) -> Array:
    """Return the sums of the first 0, 1, ... N rows: one row more."""
    sums = np.zeros((len(values) + 1, *values.shape[1:]), np.int64)
    np.cumsum(values, axis=0, out=sums[1:])
    return sums


class _Boxes:
    """The mean over classes and limits of average precision at recalls, as COCO's and VOC's evaluations have it."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        classes = len(arrays["classes"])
        borders = np.searchsorted(arrays["class"], np.arange(classes + 1)).tolist()
        order = np.lexsort((-arrays["score"], arrays["class"]))  # equal scores stay in order
        unit, right, ignored = arrays["unit"][order], arrays["right"][:, order], arrays["ignored"][:, order]
        by_class = np.argsort(arrays["truth_class"], kind="stable")
        truth_unit = arrays["truth_unit"][by_class].astype(np.intp)
        truths = np.searchsorted(arrays["truth_class"][by_class], np.arange(classes + 1)).tolist()
        self._classes = [
            _Class(
                truth_unit[truths[number] : truths[number + 1]],
                unit[borders[number] : borders[number + 1]],
                right[:, borders[number] : borders[number + 1]],
                ignored[:, borders[number] : borders[number + 1]],
                arrays["recalls"],
            )
            for number in range(classes)
        ]
        self._points = len(arrays["right"]) * len(arrays["recalls"])
        self._empty_counts = bool(arrays["empty_counts"])

    def __call__(self, counts: Array) -> Array:
        counts = np.ascontiguousarray(counts)
        sums, present = np.zeros(counts.shape[1]), np.zeros(counts.shape[1])
        for each in self._classes:
            precisions, total = each.precisions(counts)
            sums += precisions
            present += self._empty_counts or total > 0
        return np.where(present > 0, sums / (self._points * np.maximum(present, 1)), -1.0)[None]


class _Class:
    """One class, its boxes by descending score.

    Precision only falls from one right box to the next, and recall stays as it is. So only right boxes are looked at, those
    of all limits after each other: how many objects were found up to each, of how many boxes that count.
    """

    def __init__(self, truths: Array, unit: Array, right: Array, ignored: Array, recalls: Array) -> None:
        limit, row = np.nonzero(right)
        end = 1 + int(row.max(initial=-1))  # below its last right box a class is all zeros
        ignored_limit, ignored_row = np.nonzero(ignored[:, :end])
        self._unit = unit[:end].astype(np.intp)
        self._truths, self._recalls = truths, recalls
        self._after, self._hit = row + 1, self._unit[row]
        self._first = np.flatnonzero(np.diff(limit, prepend=-1))
        self._sizes = np.diff(self._first, append=len(limit))
        # How many of the ignored boxes, of all limits after each other, come before each right one.
        self._ignored, places = self._unit[ignored_row], ignored_limit * end + ignored_row
        self._ignored_before = np.searchsorted(places, limit * end + row)
        self._ignored_first = np.searchsorted(places, limit[self._first] * end)
        # Added to precisions, it lets one running maximum from the back do for all limits.
        self._lift = 2.0 * np.repeat(np.arange(len(self._first), 0, -1), self._sizes)[:, None]

    def precisions(self, counts: Array) -> tuple[Array, Array]:
        """Return the sums over limits and recalls of the best precision at that recall or a higher one, and the objects.

        Both are of the D draws; without objects the sum is 0.
        """
        totals = counts.take(self._truths, axis=0).sum(axis=0)
        found = _running(counts.take(self._hit, axis=0))
        found = found[1:] - np.repeat(found.take(self._first, axis=0), self._sizes, axis=0)
        tried = _running(counts.take(self._unit, axis=0)).take(self._after, axis=0)
        if len(self._ignored):
            ignored = _running(counts.take(self._ignored, axis=0))
            tried -= ignored.take(self._ignored_before, axis=0)
            tried += np.repeat(ignored.take(self._ignored_first, axis=0), self._sizes, axis=0)
        best = found / np.maximum(tried, 1) + self._lift
        best = np.maximum.accumulate(best[::-1], axis=0)[::-1] - self._lift
        # How many of the recalls are reached with each number of objects; and with each box for the first time.
        most = int(totals.max())
        shares = np.arange(most + 1) / np.maximum(totals, 1)[:, None]
        points = np.searchsorted(self._recalls, shares, "right").astype(np.float64)
        reached = points.ravel().take(np.minimum(found, totals) + np.arange(len(totals)) * (most + 1))
        gained = np.diff(reached, axis=0, prepend=0)
        gained[self._first] = reached[self._first]
        return (best * gained).sum(axis=0), totals


class _OneByOne(ABC):
    """Figures that are quick to compute of one draw after the other."""

    def __call__(self, counts: Array) -> Array:
        return np.array([[self.figure(draw) for draw in counts.T]])

    @abstractmethod
    def figure(self, counts: Array) -> float:
        """Return the figure of one draw, N int64."""


class _Folds(_OneByOne):
    """The mean over folds of average precision at thresholds on the score, stretched over all folds, as FDDB has it here."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._fold, self._truths = arrays["fold"].astype(np.intp), arrays["truths"]
        self._lowest, self._highest = arrays["lowest"], arrays["highest"]
        self._thresholds = arrays["thresholds"]
        self._folds = 1 + int(self._fold.max(initial=-1))
        fold = self._fold[arrays["unit"]]
        order = np.lexsort((arrays["score"], fold))
        self._unit, self._score = arrays["unit"][order].astype(np.intp), arrays["score"][order]
        self._right = arrays["right"][order]
        self._borders = np.searchsorted(fold[order], np.arange(self._folds + 1)).tolist()

    def figure(self, counts: Array) -> float:
        taken = counts > 0
        low = min(1.0, self._lowest[taken].min(initial=math.inf))
        high = max(0.0, self._highest[taken].max(initial=-math.inf))
        levels = (self._score - low) / (high - low) if high > low else np.full_like(self._score, -np.inf)
        weights = counts[self._unit]
        boxes, right = _running(weights), _running(weights * self._right)
        faces = np.bincount(self._fold, counts * self._truths, self._folds)
        aps = []
        for fold in np.flatnonzero(faces).tolist():
            begin, end = self._borders[fold : fold + 2]
            below = begin + np.searchsorted(levels[begin:end], self._thresholds)
            aps.append(_area(boxes[end] - boxes[below], right[end] - right[below], float(faces[fold])))
        return sum(aps) / len(aps) if aps else math.nan


def _area(proposals: Array, matched: Array, faces: float) -> float:
    """Return the area under the precision envelope over recall, as FDDB's evaluation of the guide has it."""
    recall = np.concatenate(([0.0], matched / faces, [1.0]))
    precision = np.concatenate(([0.0], matched / np.maximum(proposals, 1), [0.0]))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope[1:]))


class _Pairs(_OneByOne):
    """The mean over folds of the accuracy at the threshold that is best on the other folds."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._fold, self._same = arrays["fold"].astype(np.intp), arrays["same"]
        self._steps = len(arrays["thresholds"]) + 1
        self._folds = 1 + int(self._fold.max(initial=-1))
        # The first threshold above the distance: from there on a pair is said to be the same person's.
        first = np.searchsorted(arrays["thresholds"], arrays["distance"].astype(np.float64), "right")
        self._cell = self._fold * self._steps + first
        self._sign = np.where(self._same, 1, -1)

    def figure(self, counts: Array) -> float:
        sizes = np.bincount(self._fold, counts, self._folds)
        steps = np.bincount(self._cell, counts * self._sign, self._folds * self._steps)
        correct = steps.reshape(self._folds, self._steps)[:, :-1].cumsum(axis=1)
        correct += np.bincount(self._fold, counts * ~self._same, self._folds)[:, None]
        best = (correct.sum(axis=0) - correct).argmax(axis=1)
        there = np.flatnonzero(sizes)
        return float((correct[there, best[there]] / sizes[there]).mean()) if len(there) else math.nan


class _Queries:
    """The shares of queries with a match among the nearest, and the mean of their average precisions."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        within = arrays["rank"] < arrays["tops"][:, None]
        self._values = np.concatenate((within, arrays["precision"][None]))

    def __call__(self, counts: Array) -> Array:
        shares: Array = (self._values @ counts) / counts.sum(axis=0)
        return shares
