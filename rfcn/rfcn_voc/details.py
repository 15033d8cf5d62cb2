"""What the report shows of VOC's figure beyond it: the curves, and missed and false objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from common.facts import Accuracy
from common.report.details import Box, Case, Cases, Details, Shown, Total, Which, chosen
from rfcn_voc.curves import plots
from rfcn_voc.detections import Detections
from rfcn_voc.faults import LEAST, NEAR, Faults, judge
from rfcn_voc.metric import MATCH, Array, ClassScore, box_iou
from rfcn_voc.task import SCORE
from rfcn_voc.voc import CLASSES, Objects, Picture, Voc, drawn_corners

MISSED: Literal["missed objects"] = "missed objects"
FALSE: Literal["false objects"] = "false objects"
COLUMNS = (
    *("picture", "objects", "found", "missed", "difficult objects"),
    *("boxes", "wrong boxes", "boxes on difficult objects", "false objects", "cost in mAP"),
)
COST = (
    "By how much mAP would be higher if this missed object had been found first of all, and the boxes that came near it were gone; "
    f"or if this false object were gone. Of the boxes that are wrong, false objects are those that cost {LEAST:f} or more and came "
    "near no missed object. As precision counts at eleven recalls only, one object more is worth much in a class that just "
    "fails to reach the next of them."
)
_MOST = 40  # boxes that are drawn on a picture
_TRIES = 3  # of them, those that came near to a missed object
_OTHER = 0.1  # what scores less, as boxes of every class do at any object, says nothing


def details(
    data: Voc,
    objects: Objects,
    detections: Detections,
    scores: Mapping[str, ClassScore],
    accuracy: Accuracy | None,
    worst: int,
) -> Details:
    """Return what the report shows.

    Args:
        data: the pictures, whose files may be missing.
        objects: what is annotated in them.
        detections: what was found in them.
        scores: what `metric.evaluate` returned of them.
        accuracy: what is published, where it is to be shown.
        worst: how many of the worst cases of each kind there are to be.
    """
    faults = judge(len(data.pictures), objects, detections, scores)
    pictures = _Pictures([*data.pictures.values()], objects, detections, faults)
    sides = objects.boxes[:, 2:] - objects.boxes[:, :2] + 1
    missed = _chosen(faults.missed, faults.missed_costs, sides.prod(axis=1), worst)
    false = _chosen(faults.false, faults.false_costs, detections.score, worst)
    kinds = {
        MISSED: Total(int(faults.missed.sum()), faults.missed_cost),
        FALSE: Total(int(faults.false.sum()), faults.false_cost),
    }
    cases = (
        *(pictures.missed(place, which) for place, which in missed),
        *(pictures.false(place, which) for place, which in false),
    )
    return Details(
        plots=plots(objects, detections, scores, faults, accuracy),
        cases=Cases("mAP", COST, kinds, cases),
        columns=COLUMNS,
        rows=_rows(data, objects, detections, faults),
    )


def _chosen(is_fault: Array, costs: Array, ranks: Array, worst: int) -> list[tuple[int, Which]]:
    """Choose faults by their costs; of equal ones, those of higher rank are worse: larger objects, surer boxes."""
    places = np.flatnonzero(is_fault)
    places = places[np.argsort(-ranks[places], kind="stable")]
    return [(int(places[place]), which) for place, which in chosen(costs[places].tolist(), worst)]


def _rows(
    data: Voc, objects: Objects, detections: Detections, faults: Faults
) -> list[tuple[str | int | float, ...]]:
    def counts(picture: Array, *which: Array) -> list[list[int]]:
        return [np.bincount(picture[each], minlength=len(data.pictures)).tolist() for each in which]

    easy = ~objects.difficult
    wrong = ~faults.right & ~faults.ignored
    names = [picture.name for picture in data.pictures.values()]
    about_objects = counts(objects.picture, easy, easy & ~faults.missed, faults.missed, objects.difficult)
    every = np.ones(len(wrong), bool)
    about_boxes = counts(detections.picture, every, wrong, faults.ignored, faults.false)
    return [*zip(names, *about_objects, *about_boxes, faults.picture_costs.tolist(), strict=True)]


class _Pictures:
    """The pictures, with what is annotated and found in them, to make cases of."""

    def __init__(
        self, pictures: Sequence[Picture], objects: Objects, detections: Detections, faults: Faults
    ) -> None:
        self._pictures, self._objects, self._detections = pictures, objects, detections
        self._faults = faults

    def missed(self, place: int, which: Which) -> Case:
        """Return the case of a missed object."""
        objects, detections = self._objects, self._detections
        name, (width, height) = CLASSES[objects.category[place]], _size(objects.boxes[place])
        told = [f"{name}, {width:.0f} × {height:.0f} pixels"]  # noqa: RUF001  a sign of multiplication
        near = np.flatnonzero(self._faults.attempts == place)
        near = near[np.argsort(-self._faults.overlap[near], kind="stable")]
        if len(near):
            overlap, score = self._faults.overlap[near[0]], detections.score[near[0]]
            told.append(
                f"the nearest {name} box overlaps it by {overlap:.3f} (more than {MATCH:g} counts), score {score:.3f}"
            )
        else:
            told.append(f"no {name} box near it")
        others = self._other_box(place)
        told += [
            f"{CLASSES[detections.category[other]]} is found in its place, score {detections.score[other]:.3f}"
            for other in others
        ]
        shown = self._shown(int(objects.picture[place]), [place], [*near[:_TRIES].tolist(), *others])
        return self._case(
            MISSED, which, objects.picture[place], shown, told, self._faults.missed_costs[place]
        )

    def false(self, place: int, which: Which) -> Case:
        """Return the case of a false object."""
        detections = self._detections
        picture = int(detections.picture[place])
        told = [CLASSES[detections.category[place]], self._why(place)]
        return self._case(
            FALSE,
            which,
            picture,
            self._shown(picture, [], [place]),
            told,
            self._faults.false_costs[place],
            float(detections.score[place]),
        )

    def _case(
        self,
        kind: str,
        which: Which,
        picture: int,
        shown: Shown,
        told: Iterable[str],
        cost: float,
        score: float | None = None,
    ) -> Case:
        return Case(
            kind,
            which,
            self._pictures[picture].name,
            (shown,),
            "; ".join(told),
            score=score,
            cost=float(cost),
        )

    def _other_box(self, place: int) -> list[int]:
        """Return the surest box of another class on an object, if one is sure enough to tell something."""
        objects, detections = self._objects, self._detections
        those = np.flatnonzero(
            (detections.picture == objects.picture[place])
            & (detections.category != objects.category[place])
            & (detections.score >= _OTHER)
        )
        overlap = box_iou(detections.boxes[those], np.repeat(objects.boxes[place][None], len(those), axis=0))
        those = those[overlap > MATCH]
        return [int(those[detections.score[those].argmax()])] if len(those) else []

    def _why(self, place: int) -> str:
        """Say what is wrong with a box."""
        faults, objects, detections = self._faults, self._objects, self._detections
        name, overlap = CLASSES[detections.category[place]], float(faults.overlap[place])
        if overlap > MATCH:
            return f"a second box on a {name} that is found already"
        others = np.flatnonzero(
            (objects.picture == detections.picture[place]) & (objects.category != detections.category[place])
        )
        shared = box_iou(np.repeat(detections.boxes[place][None], len(others), axis=0), objects.boxes[others])
        if len(others) and shared.max() > MATCH:
            other = others[shared.argmax()]
            hard = "a difficult " if objects.difficult[other] else ""
            return f"{hard}{CLASSES[objects.category[other]]} is annotated here, overlap {shared.max():.3f}"
        if overlap >= NEAR:
            hard = "difficult " if objects.difficult[faults.nearest[place]] else ""
            return f"overlaps an annotated {hard}{name} by {overlap:.3f} (more than {MATCH:g} counts)"
        return "no annotated object here"

    def _shown(self, picture: int, objects: Sequence[int], boxes: Sequence[int]) -> Shown:
        """Return a picture with what is annotated, the sure boxes, and the objects and boxes that a case is about."""
        truth, found = self._objects, self._detections
        shown = [
            Box(
                "ignored" if truth.difficult[place] else "truth",
                _corners(truth.boxes[place]),
                label=CLASSES[truth.category[place]],
                subject=place in objects,
            )
            for place in np.flatnonzero(truth.picture == picture).tolist()
        ]
        inside = np.flatnonzero(found.picture == picture)
        inside = inside[np.argsort(-found.score[inside], kind="stable")]
        shown += [
            Box(
                "found",
                _corners(found.boxes[place]),
                float(found.score[place]),
                CLASSES[found.category[place]],
                place in boxes,
            )
            for place in inside.tolist()
            if place in boxes or found.score[place] >= SCORE
        ]
        # What it is about first, for a picture may have more boxes than can be drawn.
        shown.sort(key=lambda box: not box.subject)
        return Shown(str(self._pictures[picture].path.absolute()), tuple(shown[:_MOST]))


def _size(box: Array) -> tuple[float, float]:
    return float(box[2] - box[0] + 1), float(box[3] - box[1] + 1)


def _corners(box: Array) -> tuple[float, float, float, float]:
    xmin, ymin, xmax, ymax = (round(float(value), 3) for value in drawn_corners(box))
    return xmin, ymin, xmax, ymax
