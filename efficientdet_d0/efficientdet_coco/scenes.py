"""The pictures of what went wrong: what is annotated in them, what was found, and in words what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.report.details import Box, Case, Shown, Which
from efficientdet_coco.categories import name_of
from efficientdet_coco.coco import Coco, Detections
from efficientdet_coco.faults import FALSE, MISSED, NEAR, Faults
from efficientdet_coco.matching import LIMITS, overlaps
from efficientdet_coco.metric import Judged
from efficientdet_coco.task import SCORE

Array = NDArray[Any]
_MOST = 40  # boxes that are drawn on a picture


@dataclass(frozen=True)
class _Scene:
    """The B judged boxes in a picture: places of their categories, places in `Judged.rows`, and what became of them."""

    number: Array
    place: Array
    row: Array
    right: Array
    ignored: Array
    attempt: Array


class Scenes:
    """Makes cases of faults."""

    def __init__(
        self, data: Coco, detections: Detections, judged: Sequence[Judged], attempts: Sequence[Array]
    ) -> None:
        self._objects, self._detections = data.objects, detections
        self._judged, self._attempts = judged, attempts
        self._pictures = {picture.identity: picture for picture in data.pictures.values()}

    def worse(self, kind: str, found: Faults) -> Array:
        """Return what is worse of faults of equal costs: the larger of missed objects, the surer of boxes; F float64."""
        rows = self._rows(kind, found)
        return self._objects.area[rows] if kind == MISSED else self._detections.score[rows]

    def _rows(self, kind: str, found: Faults) -> Array:
        """Return the places of faults among all objects, or all detections."""
        every = [each.objects if kind == MISSED else each.rows for each in self._judged]
        firsts = np.cumsum([0, *map(len, every)])
        joined = np.concatenate([np.empty(0, int), *every])
        return joined[firsts[found.number] + found.place]

    def case(self, kind: str, found: Faults, fault: int, which: Which) -> Case:
        """Return one of the faults as a case of a report."""
        number, place, identity = (
            int(values[fault]) for values in (found.number, found.place, found.picture)
        )
        judged, scene = self._judged[number], self._scene(identity)
        mine = (scene.number == number) & (scene.place == place)
        if kind == MISSED:
            target = int(judged.objects[place])
            subjects = (scene.number == number) & (scene.attempt == place)
            words = self._missed(scene, number, subjects, target)
        elif kind == FALSE:
            target, subjects, words = -1, mine, self._false(scene, number, mine, identity)
        else:
            target, subjects = int(judged.objects[judged.first[place]]), mine
            words = self._inexact(judged, place, target)
        picture = self._pictures[identity]
        boxes = self._boxes(scene, identity, subjects, target)
        return Case(
            kind,
            which,
            picture.path.name,
            (Shown(str(picture.path.absolute()), boxes),),
            f"{name_of(judged.category)}{words}",
            score=None if kind == MISSED else float(judged.scores[place]),
            cost=float(found.cost[fault]),
        )

    def _scene(self, identity: int) -> _Scene:
        parts = []
        for number, (judged, attempts) in enumerate(zip(self._judged, self._attempts, strict=True)):
            start, end = np.searchsorted(judged.pictures, [identity, identity + 1])
            places = np.arange(start, end)
            parts.append(
                (
                    np.full(len(places), number),
                    places,
                    judged.rows[places],
                    judged.right[0, places],
                    judged.ignored[0, places],
                    attempts[places],
                )
            )
        return _Scene(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _boxes(self, scene: _Scene, identity: int, subjects: Array, target: int) -> tuple[Box, ...]:
        """Return what is drawn: what the case is about first, for a picture may have more boxes than can be seen."""
        objects, found = self._objects, self._detections
        drawn = [
            Box(
                "ignored" if objects.crowd[place] else "truth",
                _corners(objects.boxes[place]),
                label=name_of(int(objects.category[place])) + (", many" if objects.crowd[place] else ""),
                subject=place == target,
            )
            for place in np.flatnonzero(objects.picture == identity).tolist()
        ]
        by_score = np.argsort(-found.score[scene.row], kind="stable")
        for place in by_score[subjects[by_score] | (found.score[scene.row[by_score]] >= SCORE)].tolist():
            row = scene.row[place]
            drawn.append(
                Box(
                    "ignored" if scene.ignored[place] else "found",
                    _corners(found.boxes[row]),
                    float(found.score[row]),
                    name_of(self._judged[scene.number[place]].category),
                    subject=bool(subjects[place]),
                )
            )
        return tuple(sorted(drawn, key=lambda box: not box.subject)[:_MOST])

    def _missed(self, scene: _Scene, number: int, tries: Array, target: int) -> str:
        boxes, scores = self._detections.boxes[scene.row], self._detections.score[scene.row]
        shared = _shared(boxes, self._objects.boxes[target])
        told = [_size(self._objects.boxes[target])]
        others = (scene.number != number) & ~scene.right & ~scene.ignored & (shared >= LIMITS[0])
        others &= scores > scores[tries].max(initial=0)
        if others.any():
            best = np.flatnonzero(others)[scores[others].argmax()]
            name = name_of(self._judged[scene.number[best]].category)
            told.append(f"taken for: {name}, score {scores[best]:.3f}, overlap {shared[best]:.2f}")
        if tries.any():
            best = np.flatnonzero(tries)[shared[tries].argmax()]
            told.append(
                f"the nearest box overlaps it by {shared[best]:.3f} ({LIMITS[0]:.2f} counts), score {scores[best]:.3f}"
            )
        elif not others.any():
            told.append("no box near it")
        return "; ".join(told)

    def _false(self, scene: _Scene, number: int, mine: Array, identity: int) -> str:
        (row,) = scene.row[mine]
        objects = self._objects
        there = np.flatnonzero((objects.picture == identity) & ~objects.crowd)
        shared = _shared(objects.boxes[there], self._detections.boxes[row])
        category = self._judged[number].category
        own = np.where(objects.category[there] == category, shared, 0.0)
        other = shared - own
        closest = own.max(initial=0)
        if closest >= LIMITS[0]:
            return ", a second box on one that is found already"
        if other.max(initial=0) >= max(closest, NEAR):
            best = other.argmax()
            return (
                f" where there is: {name_of(int(objects.category[there[best]]))}, overlap {other[best]:.2f}"
            )
        if closest >= NEAR:
            return f", overlaps one that is found already by {closest:.3f} ({LIMITS[0]:.2f} counts)"
        return ", nothing annotated here"

    def _inexact(self, judged: Judged, place: int, target: int) -> str:
        box = self._detections.boxes[judged.rows[place]]
        shared = float(_shared(box[None], self._objects.boxes[target])[0])
        right = np.count_nonzero(judged.right[:, place])
        return f"{_size(self._objects.boxes[target])}; overlap {shared:.3f}: right at {right} of the {len(LIMITS)}"


def _shared(boxes: Array, one: Array) -> Array:
    """Return the overlap of each box with one: N float64."""
    return overlaps(boxes, np.broadcast_to(one, boxes.shape), np.zeros(len(boxes), bool))


def _size(box: Array) -> str:
    return f", {box[2]:.0f} × {box[3]:.0f} pixels"  # noqa: RUF001  a sign of multiplication


def _corners(box: Array) -> tuple[float, float, float, float]:
    x, y, width, height = box.tolist()
    return round(x, 3), round(y, 3), round(x + width, 3), round(y + height, 3)
