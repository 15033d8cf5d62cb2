"""What the report shows of FDDB's figure beyond it: precision and recall, AP of each fold, missed and false faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.facts import Accuracy
from common.report.details import (
    Box,
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
from faceboxes_fddb.faults import FALSE, MISSED, Fault, Judged, judge
from faceboxes_fddb.fddb import Fold, picture_at_hand
from faceboxes_fddb.metric import MATCH, FoldScore

Array = NDArray[Any]
COLUMNS = ("picture", "fold", "faces", "found", "missed", "boxes", "wrong boxes", "false faces", "cost in AP")
COST = (
    "By how much the average AP would be higher if this missed face had been found first of all, and the boxes that came near it "
    "were gone; or if this false face were gone."
)
_MOST = 40  # boxes that are drawn on a picture


def details(
    folds: Sequence[Fold],
    detections: Mapping[str, Array],
    scores: Sequence[FoldScore],
    data: Path | None,
    accuracy: Accuracy | None,
    worst: int,
) -> Details:
    """Return what the report shows.

    Args:
        folds: the annotated pictures.
        detections: by stem, see `metric.evaluate`.
        scores: what that returned of them.
        data: the data set's directory, where it is at hand, for the pictures.
        accuracy: what is published, where it is to be shown.
        worst: how many of the worst cases of each kind there are to be.
    """
    pictures, faults, totals = judge(folds, detections, scores)
    cases: list[Case] = []
    kinds: dict[str, Total] = {}
    for kind in (MISSED, FALSE):
        own = [fault for fault in faults if fault.kind == kind]
        own.sort(key=_rank, reverse=True)  # for those of equal costs
        kinds[kind] = Total(len(own), totals[kind])
        for place, which in chosen([fault.cost for fault in own], worst):
            fault = own[place]
            cases.append(_case(fault, which, picture_at_hand(data, fault.judged.picture)))
    return Details(
        plots=(_curves(scores), _folds(scores, accuracy)),
        cases=Cases("AP", COST, kinds, tuple(cases)),
        columns=COLUMNS,
        rows=[_row(picture) for picture in pictures],
    )


def _curves(scores: Sequence[FoldScore]) -> Plot:
    faint = [
        _curve("each fold", score.matched, score.proposals, score.faces, "faint")
        for score in scores
        if score.faces
    ]
    matched, proposals = (sum(getattr(score, name) for score in scores) for name in ("matched", "proposals"))
    together = _curve("all folds together", matched, proposals, sum(score.faces for score in scores), "main")
    return Plot(
        "precision_recall",
        "Precision and recall",
        "recall",
        "precision",
        (*faint, together),
        note="Recall is the share of the faces that were found, precision the share of the boxes that found one, at each of FDDB's "
        "1000 thresholds. AP is the area below the curve of a fold, its mean over the folds the figure; no curve is published.",
        x_range=(0, 1),
        y_range=(0, 1.02),
    )


def _curve(label: str, matched: Array, proposals: Array, faces: int, shade: Shade) -> Line:
    there = proposals > 0
    return line(label, matched[there] / max(faces, 1), matched[there] / proposals[there], shade)


def _folds(scores: Sequence[FoldScore], accuracy: Accuracy | None) -> Plot:
    aps = {number: score.ap for number, score in enumerate(scores, 1) if score.faces}
    points = line("AP of a fold", np.array([*aps]), np.array([*aps.values()]), "main", "points")
    marks = [Mark("mean", y=sum(aps.values()) / len(aps))] if aps else []
    if accuracy:
        marks += [Mark("published", y=accuracy.published["AP"])]
    shown = [*aps.values(), *([accuracy.published["AP"]] if accuracy else [])] or [1.0]
    room = 0.1 * (max(shown) - min(shown)) + 0.005
    return Plot(
        "folds",
        "AP of each fold",
        "fold",
        "AP",
        (points,),
        tuple(marks),
        note="How far the folds lie apart says how much of a difference chance alone can make.",
        x_range=(0.5, len(scores) + 0.5),
        y_range=(min(shown) - room, min(max(shown) + room, 1 + room / 4)),  # there is no AP above 1
    )


def _row(judged: Judged) -> tuple[str | int | float, ...]:
    missed, found = int(judged.missed.sum()), int(judged.hits.sum())
    faces, boxes = len(judged.missed), len(judged.boxes)
    false = boxes - found - int((judged.attempts >= 0).sum())  # the others came near to a missed face
    about_boxes = (boxes, boxes - found, false)
    return judged.picture.name, judged.fold + 1, faces, found, missed, *about_boxes, judged.cost


def _rank(fault: Fault) -> float:
    """Return what is worse of equal costs: the larger of missed faces, the surer of false ones."""
    if fault.kind == FALSE:
        return float(fault.judged.scores[fault.place])
    width, height = _size(fault.judged.picture.boxes[fault.place])
    return width * height


def _size(box: Array) -> tuple[float, float]:
    return float(box[2] - box[0]), float(box[3] - box[1])


def _case(fault: Fault, which: Which, path: Path | None) -> Case:
    judged = fault.judged
    subjects = (
        judged.attempts == fault.place
        if fault.kind == MISSED
        else np.arange(len(judged.boxes)) == fault.place
    )
    truth = [
        Box("truth", _corners(box), subject=fault.kind == MISSED and face == fault.place)
        for face, box in enumerate(judged.picture.boxes)
    ]
    found = [
        Box("found", _corners(box), float(score), subject=bool(subject))
        for box, score, subject in zip(judged.boxes, judged.scores, subjects, strict=True)
    ]
    # What it is about first, for a picture may have more boxes than can be drawn.
    boxes = sorted((*truth, *found), key=lambda box: not box.subject)[:_MOST]
    return Case(
        fault.kind,
        which,
        judged.picture.name,
        (Shown(str(path.absolute()) if path else None, tuple(boxes)),),
        _missed(fault) if fault.kind == MISSED else _false(fault),
        score=None if fault.kind == MISSED else float(judged.scores[fault.place]),
        cost=fault.cost,
    )


def _corners(box: Array) -> tuple[float, float, float, float]:
    xmin, ymin, xmax, ymax = (round(float(value), 3) for value in box)
    return xmin, ymin, xmax, ymax


def _missed(fault: Fault) -> str:
    judged = fault.judged
    width, height = _size(judged.picture.boxes[fault.place])
    near = np.flatnonzero(judged.attempts == fault.place)
    told = f"{width:.0f} × {height:.0f} pixels; "  # noqa: RUF001  a sign of multiplication
    if not len(near):
        return f"{told}no box near it"
    closest = near[judged.overlap[near].argmax()]
    return f"{told}the nearest box overlaps it by {judged.overlap[closest]:.3f} ({MATCH:g} counts), score {judged.scores[closest]:.3f}"


def _false(fault: Fault) -> str:
    overlap = float(fault.judged.overlap[fault.place])
    if overlap >= MATCH:
        return "a second box on a face that is found already"
    if overlap > 0:
        return f"overlaps an annotated face by {overlap:.3f} ({MATCH:g} counts)"
    return "no annotated face here"
