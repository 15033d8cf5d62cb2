"""Which pictures, pairs and queries two runs on the same data answer differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.report.units import Units

Array = NDArray[Any]


@dataclass(frozen=True)
class Flip:
    """A unit that flipped: what the first and the second run made of it, and what was gained, negative for a loss."""

    key: str
    before: str
    after: str
    gain: float


def rules(units: Units) -> str:
    """Return what counts as a flip, in words."""
    if units.kind == "pairs":
        return "right in one run and wrong in the other, each at its own thresholds"
    if units.kind == "queries":
        tops = " or ".join(map(str, units.arrays["tops"].tolist()))
        return f"a match among the nearest {tops} in one run and not in the other"
    return "another number of right or false boxes, each run taken at the score where its F1 is best"


def flips(first: Units, second: Units) -> list[Flip]:
    """Return the units that flipped, the worst first; both runs are of the same units."""
    kind = {"boxes": _boxes, "folds": _boxes, "pairs": _pairs, "queries": _queries}[first.kind]
    found = kind(first, second)
    return sorted(found, key=lambda flip: (flip.gain, flip.key))


def changed(first: Units, second: Units) -> int:
    """Count the units that could make a difference between two runs of the same units."""
    if first.kind == "pairs":
        return int(np.count_nonzero(_correct(first.arrays) != _correct(second.arrays)))
    if first.kind == "queries":
        names = ("precision", "rank")
        return int(np.count_nonzero(np.any([first.arrays[n] != second.arrays[n] for n in names], axis=0)))
    ours, theirs = (np.bincount(units.arrays["unit"], minlength=len(first.keys)) for units in (first, second))
    other = ours != theirs
    # Box by box, in the order of class and score, where a unit has as many of them in both runs.
    rows = [_ordered(units, ~other) for units in (first, second)]
    unit = first.arrays["unit"][rows[0]]
    for name in {"class", "score", "right", "ignored"} & first.arrays.keys():
        column, others = (
            units.arrays[name][..., kept] for units, kept in zip((first, second), rows, strict=True)
        )
        other[unit[np.atleast_2d(column != others).any(axis=0)]] = True
    return int(np.count_nonzero(other))


def _ordered(units: Units, chosen: Array) -> Array:
    """Return the places of the boxes of chosen units, unit by unit."""
    unit = units.arrays["unit"]
    order = np.argsort(unit, kind="stable")
    kept: Array = order[chosen[unit[order]]]
    return kept


def _boxes(first: Units, second: Units) -> list[Flip]:
    (right, false), (others_right, others_false) = _at_best(first), _at_best(second)
    gains = (others_right - right) - (others_false - false)
    flipped = np.flatnonzero((right != others_right) | (false != others_false)).tolist()
    return [
        Flip(
            first.keys[unit],
            f"{right[unit]} right, {false[unit]} false",
            f"{others_right[unit]} right, {others_false[unit]} false",
            float(gains[unit]),
        )
        for unit in flipped
    ]


def _at_best(units: Units) -> tuple[Array, Array]:
    """Return how many boxes of each unit are right and how many false at the score where F1 is best: N int64 each."""
    right, false = (
        np.bincount(units.arrays["unit"][chosen], minlength=len(units.keys)) for chosen in at_best(units)
    )
    return right, false


def at_best(units: Units) -> tuple[Array, Array]:
    """Tell which boxes are right and which false, of those that reach the score where F1 is best: B bool each.

    Right is what is so at the lowest limit of the overlap, IoU 0.5.
    """
    arrays = units.arrays
    right = np.atleast_2d(arrays["right"])[0]
    counted = right | ~arrays["ignored"][0] if "ignored" in arrays else np.ones(len(right), bool)
    truths = len(arrays["truth_unit"]) if "truth_unit" in arrays else int(arrays["truths"].sum())
    order = np.argsort(-arrays["score"], kind="stable")
    scores = arrays["score"][order]
    hits, tried = np.cumsum(right[order]), np.cumsum(counted[order])
    # All boxes of one score are in, or none: the best is looked for at the last one of each.
    last = np.flatnonzero(np.diff(scores, append=-np.inf))
    if not len(last):
        return right, right
    f1 = 2 * hits[last] / np.maximum(tried[last] + truths, 1)
    above = arrays["score"] >= scores[last[f1.argmax()]]
    return above & right, above & counted & ~right


def _pairs(first: Units, second: Units) -> list[Flip]:
    before, after = _correct(first.arrays), _correct(second.arrays)
    ours, theirs = first.arrays["distance"], second.arrays["distance"]

    def said(right: bool, distance: float) -> str:
        return f"{'right' if right else 'wrong'}, distance {distance:.4g}"

    return [
        Flip(
            first.keys[pair],
            said(before[pair], ours[pair]),
            said(after[pair], theirs[pair]),
            float(after[pair]) - float(before[pair]),
        )
        for pair in np.flatnonzero(before != after).tolist()
    ]


def _correct(arrays: Mapping[str, Array]) -> Array:
    """Tell which pairs are judged rightly at the threshold that is best on the other folds: N bool."""
    distance, same, thresholds = arrays["distance"].astype(np.float64), arrays["same"], arrays["thresholds"]
    first = np.searchsorted(thresholds, distance, "right")  # the first threshold above the distance
    correct = np.zeros(len(distance), bool)
    for fold in np.unique(arrays["fold"]).tolist():
        inside = arrays["fold"] == fold
        signs = np.where(same[~inside], 1, -1)
        gained = np.bincount(first[~inside], signs, len(thresholds) + 1)[: len(thresholds)]
        correct[inside] = (distance[inside] < thresholds[gained.cumsum().argmax()]) == same[inside]
    return correct


def _queries(first: Units, second: Units) -> list[Flip]:
    ours, theirs = first.arrays, second.arrays
    tops = ours["tops"]
    crossed = (ours["rank"] < tops[:, None]) != (theirs["rank"] < tops[:, None])

    def said(arrays: Mapping[str, Array], query: int) -> str:
        return f"first match at rank {arrays['rank'][query] + 1}, average precision {arrays['precision'][query]:.4f}"

    return [
        Flip(
            first.keys[query],
            said(ours, query),
            said(theirs, query),
            float(theirs["precision"][query] - ours["precision"][query]),
        )
        for query in np.flatnonzero(crossed.any(axis=0)).tolist()
    ]
