"""What went wrong with each object and each box, and what it costs: objects missed, false ones, boxes that fit badly.

The cost of a fault is by how much the mAP would be higher without it, all else left as it is: which box takes which object,
and in which order. It is exact: at each of the ten limits of the overlap the precision at all recalls is computed anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import progress
from efficientdet_coco.coco import Detections, Objects
from efficientdet_coco.matching import LIMITS, overlaps, pairs
from efficientdet_coco.metric import RECALLS, Judged, best_precisions, precisions

Array = NDArray[Any]
MISSED, FALSE, INEXACT = "missed objects", "false objects", "inexact boxes"
NEAR = 0.1  # overlap from which on a box is taken for an attempt at an object
_LEAST = 1e-13  # of a cost; rounding makes up to 1e-15


@dataclass(frozen=True)
class Faults:
    """All faults of one kind, F of them, by category.

    `number` is the place of the category among those judged, `place` that of the object in `Judged.objects`, for missed ones,
    or of the box in `Judged.rows`; `picture` is an id; `cost` float64; `total` is what all cost together.
    """

    number: Array
    place: Array
    picture: Array
    cost: Array
    total: float


@dataclass(frozen=True)
class _Limit:
    """One category at one limit of the overlap, by descending score, as it is.

    `tried` is how many boxes count up to each right one. Of each of the N boxes, in the order of `Judged.rows`, `before` is
    how many right ones come before it, and `upto` how many boxes count up to it, with it.
    """

    right: Array
    ignored: Array
    tried: Array
    before: Array
    upto: Array
    order: Array
    total: int
    ap: float

    @classmethod
    def of(cls, judged: Judged, limit: int, order: Array) -> _Limit:
        """Return what became of the boxes; `order` is that of descending scores, N int64."""
        right, ignored = judged.right[limit], judged.ignored[limit]
        sure, upto, before = right[order], np.empty(len(order), int), np.empty(len(order), int)
        upto[order] = np.cumsum(~ignored[order])
        before[order] = np.cumsum(sure) - sure
        tried, total = upto[order][sure], len(judged.objects)
        return cls(
            right, ignored, tried, before, upto, order, total, float(best_precisions(tried, total).mean())
        )

    def gain(self, tried: Array) -> float:
        """Return by how much the AP is higher with so many boxes that count up to each right one."""
        return float(best_precisions(tried, self.total).mean()) - self.ap

    def gone(self, rows: Array) -> Array:
        """Return how many of some boxes, N bool, come before each right one."""
        return np.cumsum(rows[self.order])[self.right[self.order]]

    def gains_without(self) -> Array:
        """Return what it is worth if a wrong box were gone, by how many right ones come before it: H + 1 float64."""
        place = np.arange(len(self.tried) + 1)
        return self._gains(place, np.zeros(len(place)), self._precision(0, -1), 0)

    def gains_right(self, rows: Array) -> Array:
        """Return what it is worth if each one of some boxes, which is not right, were: E float64."""
        gains = np.empty(len(rows))
        for more in (0, 1):  # one that did not count makes one more that does
            part = self.ignored[rows] == bool(more)
            some = rows[part]
            own = (self.before[some] + 1) / (self.upto[some] + more + np.spacing(1))
            gains[part] = self._gains(self.before[some], own, self._precision(1, more), 1)
        return gains

    def _precision(self, found: int, counted: int) -> Array:
        """Return the precision at each right box if so many more were found, and counted, before it."""
        number = np.arange(1, len(self.tried) + 1)
        return (number + found) / (self.tried + counted + np.spacing(1))

    def _gains(self, place: Array, own: Array, later: Array, found: int) -> Array:
        """Return by how much the AP is higher if it changes at each one of some places: E float64.

        Args:
            place: E int64, how many right boxes are before the change, and stay as they are.
            own: E float64, the precision at the box that is found there, 0 for none.
            later: H float64, the precision at the right boxes if they come after the change.
            found: how many more are found, 0 or 1.
        """
        earlier = self._precision(0, 0)
        after = np.append(np.maximum.accumulate(later[::-1])[::-1], 0.0)  # the best from here on
        ahead = np.maximum(own, after[place])
        numbers = np.arange(1, len(earlier) + found + 1)
        reached, times = np.unique(np.searchsorted(numbers / self.total, RECALLS), return_counts=True)
        sums = np.zeros(len(place))
        for first, often in zip(reached.tolist(), times.tolist(), strict=True):
            best = np.zeros(
                len(earlier) + 1
            )  # of the right ones from the first that reaches the recall to the change
            best[first + 1 :] = np.maximum.accumulate(earlier[first:])
            sums += often * np.where(
                place >= first, np.maximum(best[place], ahead), after[min(first, len(numbers)) - found]
            )
        return sums / len(RECALLS) - self.ap


def find(
    objects: Objects, detections: Detections, judged: Sequence[Judged]
) -> tuple[dict[str, Faults], list[Array]]:
    """Return the faults of each kind, and of each category which missed object each of its boxes came near to, or -1.

    Args:
        objects: the annotated objects.
        detections: what `metric.evaluate` got.
        judged: what that did with them.
    """
    attempts, found = [], []
    for each in progress(judged, len(judged), "faults", "class"):
        near = _attempts(each, objects.boxes[each.objects], detections.boxes[each.rows])
        attempts.append(near)
        found.append(_of_category(each, near))
    share = 1 / max(len(LIMITS) * len(judged), 1)
    faults = {}
    for kind in (MISSED, FALSE, INEXACT):
        parts = [each[kind] for each in found]
        places = [place for place, _, _ in parts]
        owners = (each.truths if kind == MISSED else each.pictures for each in judged)
        faults[kind] = Faults(
            np.repeat(np.arange(len(parts)), [len(place) for place in places]),
            np.concatenate([np.empty(0, int), *places]),
            np.concatenate(
                [np.empty(0, int), *(owner[place] for owner, place in zip(owners, places, strict=True))]
            ),
            _rounded(np.concatenate([np.empty(0), *(cost for _, cost, _ in parts)]) * share),
            sum(total for _, _, total in parts) * share,
        )
    return faults, attempts


def _rounded(costs: Array) -> Array:
    """Return costs without what rounding makes of nothing."""
    return np.where(np.abs(costs) < _LEAST, 0.0, costs)


def _attempts(judged: Judged, truth: Array, boxes: Array) -> Array:
    """Return of each box the missed object that it came near to, as a place in `Judged.objects`, or -1: N int64.

    That is the object of its category that it overlaps most, of several the first one.
    """
    attempts = np.full(len(boxes), -1)
    missed = ~judged.found[0]
    wrong = ~(judged.right[0] | judged.ignored[0])
    rows = np.flatnonzero(wrong & np.isin(judged.pictures, judged.truths[missed]))
    for owner, candidate in pairs(judged.pictures[rows], judged.truths):
        if len(owner):
            shared = overlaps(boxes[rows[owner]], truth[candidate], np.zeros(len(owner), bool))
            firsts = np.flatnonzero(np.diff(owner, prepend=-1))
            highest = np.repeat(np.maximum.reduceat(shared, firsts), np.diff(np.append(firsts, len(owner))))
            near = np.flatnonzero((shared == highest) & (shared >= NEAR))
            row, first = np.unique(owner[near], return_index=True)
            best = candidate[near[first]]
            attempts[rows[row]] = np.where(missed[best], best, -1)
    return attempts


def _of_category(judged: Judged, attempts: Array) -> dict[str, tuple[Array, Array, float]]:
    """Return of each kind the places of the faults, what each costs, and all together: as AP, summed over the limits."""
    order = np.argsort(-judged.scores, kind="stable")
    missed = np.flatnonzero(~judged.found[0])
    false = np.flatnonzero(~(judged.right[0] | judged.ignored[0]) & (attempts < 0))
    exact = np.flatnonzero(judged.first >= 0)  # those that find an object, as far as they do at every limit
    costs = {MISSED: np.zeros(len(missed)), FALSE: np.zeros(len(false)), INEXACT: np.zeros(len(exact))}
    totals = dict.fromkeys(costs, 0.0)
    loose = np.zeros(len(exact), bool)
    near = np.flatnonzero(attempts >= 0)
    near = near[np.argsort(attempts[near], kind="stable")]
    tries = np.split(near, np.searchsorted(attempts[near], missed))[1:]  # of each missed object
    for limit in range(len(LIMITS)):
        here = _Limit.of(judged, limit, order)
        wrong = ~(here.right | here.ignored)
        absent = ~judged.found[limit]

        lost = absent[missed]
        costs[MISSED] += _gains_found(here, [rows[wrong[rows]] for rows in tries], lost)
        more, gone = int(lost.sum()), here.gone((attempts >= 0) & wrong)
        totals[MISSED] += here.gain(np.append(np.arange(1, more + 1), here.tried + more - gone))

        costs[FALSE] += np.where(wrong[false], here.gains_without()[here.before[false]], 0)
        totals[FALSE] += here.gain(here.tried - here.gone(_mask(false, wrong)))

        fits = ~absent[judged.first[exact]] | here.right[exact]
        loose |= ~fits
        costs[INEXACT][~fits] += here.gains_right(exact[~fits])
        mended = _mask(exact[~fits], np.ones(len(order), bool))
        better = precisions((here.right | mended)[order], (here.ignored & ~mended)[order], here.total)
        totals[INEXACT] += float(better.mean()) - here.ap
    return {
        MISSED: (missed, costs[MISSED], totals[MISSED]),
        FALSE: (false, costs[FALSE], totals[FALSE]),
        INEXACT: (exact[loose], costs[INEXACT][loose], totals[INEXACT]),
    }


def _gains_found(here: _Limit, tries: Sequence[Array], lost: Array) -> Array:
    """Return what it is worth if each missed object were found first of all, and the boxes that came near it were gone.

    It is 0 for those that are not `lost`, M bool, at this limit.
    """
    gains = np.zeros(len(lost))
    known: dict[bytes, float] = {}
    places = np.arange(len(here.tried))
    for number in np.flatnonzero(lost).tolist():
        gone = np.sort(here.before[tries[number]])
        key = gone[gone < len(places)].tobytes()  # those after the last right one change nothing
        if key not in known:
            tried = here.tried + 1 - np.searchsorted(gone, places, side="right")
            known[key] = here.gain(np.append(1, tried))
        gains[number] = known[key]
    return gains


def _mask(rows: Array, where: Array) -> Array:
    """Return which of N boxes are among `rows`, and at places `where` it is true."""
    mask = np.zeros(len(where), bool)
    mask[rows] = True
    return mask & where
