"""What the report shows of LFW's figure beyond it: ROC, distances, accuracy of each fold, pairs told wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.facts import Accuracy
from common.report.details import (
    Case,
    Cases,
    Details,
    Line,
    Mark,
    Plot,
    Shade,
    Shown,
    Total,
    Which,
    chosen,
    line,
)
from lresnet_lfw.lfw import Face
from lresnet_lfw.metric import FALSE_ACCEPTS, FOLDS, Verification, roc_curve, roc_figures

Array = NDArray[Any]
COLUMNS = (
    *("pair", "first", "second", "same", "distance", "fold", "threshold", "correct"),
    "cost in accuracy",
)
TAKEN_FOR_TWO = "pairs of one person taken for two"
TAKEN_FOR_ONE = "pairs of two persons taken for one"
COST = (
    "By how much accuracy would be higher if this pair were told rightly and the thresholds stayed as they are: its share of "
    "its fold, and the fold's of all. Of equal costs, the pair furthest on the wrong side of the threshold comes first."
)
_BIN = 0.05  # of a squared distance


@dataclass(frozen=True)
class _Judged:
    """The pairs, N of each: squared distances, whether they are one person's, fold, threshold, whether wrong, and its cost."""

    distances: Array
    same: Array
    folds: Array
    thresholds: Array
    wrong: Array
    costs: Array


def details(
    distances: Array,
    same: Array,
    verification: Verification,
    faces: Mapping[str, Face],
    accuracy: Accuracy | None,
    worst: int,
) -> Details:
    """Return what the report shows.

    Args:
        distances: N squared distances.
        same: N bool.
        verification: what `metric.verify` returned of them.
        faces: by "0", "1", ...; those that are absent are not shown.
        accuracy: what is published, where it is to be shown.
        worst: how many of the worst cases of each kind there are to be.
    """
    judged = _judge(distances, same, verification)
    cases: list[Case] = []
    kinds: dict[str, Total] = {}
    beyond = np.abs(distances - judged.thresholds)
    for kind, of_kind in ((TAKEN_FOR_TWO, same), (TAKEN_FOR_ONE, ~same)):
        own = np.flatnonzero(judged.wrong & of_kind)
        own = own[np.argsort(-beyond[own], kind="stable")]  # for those of equal costs
        costs = judged.costs[own].tolist()
        kinds[kind] = Total(len(own), float(sum(costs)))
        cases += [_case(judged, int(own[place]), kind, which, faces) for place, which in chosen(costs, worst)]
    return Details(
        plots=(
            *([_roc(judged)] if same.any() and not same.all() else []),
            _distances(judged, verification),
            _folds(verification, accuracy),
        ),
        cases=Cases("accuracy", COST, kinds, tuple(cases)),
        columns=COLUMNS,
        rows=_rows(judged, faces),
    )


def _judge(distances: Array, same: Array, verification: Verification) -> _Judged:
    folds = verification.folds
    thresholds = verification.best_thresholds[folds]
    wrong = (distances < thresholds) != same
    costs = np.where(wrong, 1 / FOLDS / np.bincount(folds)[folds], 0.0)
    return _Judged(distances, same, folds, thresholds, wrong, costs)


def _rows(judged: _Judged, faces: Mapping[str, Face]) -> list[tuple[str | float, ...]]:
    columns = (
        range(len(judged.same)),
        (_name(faces, 2 * pair) for pair in range(len(judged.same))),
        (_name(faces, 2 * pair + 1) for pair in range(len(judged.same))),
        judged.same.astype(int).tolist(),
        judged.distances.tolist(),
        (judged.folds + 1).tolist(),
        judged.thresholds.tolist(),
        (~judged.wrong).astype(int).tolist(),
        judged.costs.tolist(),
    )
    return list(zip(*columns, strict=True))


def _name(faces: Mapping[str, Face], number: int) -> str:
    face = faces.get(str(number))
    return face.name if face else f"picture {number}"


def _case(judged: _Judged, pair: int, kind: str, which: Which, faces: Mapping[str, Face]) -> Case:
    pictures = []
    for number in (2 * pair, 2 * pair + 1):
        face = faces.get(str(number))
        path = str(face.path.absolute()) if face and face.data is None else None
        pictures.append(Shown(path, caption=_name(faces, number), data=face.data if face else None))
    return Case(
        kind,
        which,
        f"pair {pair}, fold {judged.folds[pair] + 1}",
        tuple(pictures),
        f"the threshold is {judged.thresholds[pair]:.2f}",
        distance=float(judged.distances[pair]),
        cost=float(judged.costs[pair]),
    )


def _roc(judged: _Judged) -> Plot:
    # Where the axis begins, none of two persons is accepted. It has three decades at least, for its scale to be read.
    left = min(0.5 / int((~judged.same).sum()), FALSE_ACCEPTS / 2)

    def curve(label: str, pairs: Array, shade: Shade) -> Line:
        fpr, tpr = roc_curve(judged.distances[pairs], judged.same[pairs])
        first = int(np.searchsorted(fpr, 0, side="right")) - 1
        return line(label, np.maximum(fpr[first:], left), tpr[first:], shade, log="x")

    folds = [judged.folds == fold for fold in range(FOLDS)]
    both = [fold for fold in folds if judged.same[fold].any() and not judged.same[fold].all()]
    lines = [curve("each fold", fold, "faint") for fold in both]
    lines.append(curve("all folds together", np.ones(len(judged.same), bool), "main"))
    lowest = min(0.99, *(min(each.y) for each in lines))
    room = 0.04 * (1 - lowest) + 0.002
    accepted = roc_figures(judged.distances, judged.same)[f"TAR at FAR {FALSE_ACCEPTS:g}"]
    return Plot(
        "roc",
        "ROC",
        "pairs of two persons accepted (false positive rate)",
        "pairs of one person accepted (TPR)",
        tuple(lines),
        (Mark(f"at FAR {FALSE_ACCEPTS:g}", x=FALSE_ACCEPTS, y=accepted),),
        note="A pair is accepted, taken for one person's, if its distance is below a threshold; each point is one. At the left end no "
        "pair of two persons is. AUC is the area below the curve on an even axis; no curve is published.",
        x_range=(left, 1),
        y_range=(max(lowest - room, -0.02), 1 + room),
        log="x",
    )


def _distances(judged: _Judged, verification: Verification) -> Plot:
    first, last = (int(end // _BIN) for end in (judged.distances.min(), judged.distances.max()))
    edges = np.arange(first, last + 2) * _BIN

    def histogram(label: str, distances: Array, shade: Shade) -> Line:
        return line(label, edges, np.append(np.histogram(distances, edges)[0], 0), shade, "steps")

    lines = (
        histogram("two persons", judged.distances[~judged.same], "second"),
        histogram("one person", judged.distances[judged.same], "main"),
    )
    marks = [Mark("thresholds", x=float(x)) for x in np.unique(verification.best_thresholds)]
    return Plot(
        "distances",
        "Distances of the pairs",
        "squared distance, 0 to 4",
        f"pairs per {_BIN:g}",
        lines,
        tuple(marks),
        note="Each fold is measured at the threshold that is best on the other nine. Pairs of one person at or right of it, and pairs "
        "of two left of it, are told wrongly. The vertical axis is logarithmic, for these to be seen.",
        y_range=(0.7, max(12.0, *(1.5 * max(each.y) for each in lines))),
        log="y",
    )


def _folds(verification: Verification, accuracy: Accuracy | None) -> Plot:
    found = verification.accuracies
    points = line("accuracy of a fold", np.arange(1, FOLDS + 1), found, "main", "points")
    marks = [Mark("mean", y=verification.accuracy)]
    if accuracy:
        marks.append(Mark("published", y=accuracy.published["accuracy"]))
    shown: Sequence[float] = [*found.tolist(), *(mark.y for mark in marks if mark.y is not None)]
    room = 0.1 * (max(shown) - min(shown)) + 0.0005
    return Plot(
        "folds",
        "Accuracy of each fold",
        "fold",
        "accuracy",
        (points,),
        tuple(marks),
        note="How far the folds lie apart says how much of a difference chance alone can make.",
        x_range=(0.5, FOLDS + 0.5),
        y_range=(min(shown) - room, max(shown) + room),
    )
