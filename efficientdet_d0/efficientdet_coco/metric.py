"""COCO's twelve figures of detections in boxes: average precision and recall.

Source: `accumulate` and `summarize` of pycocotools, whose figures these are to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import progress
from common.errors import GuideError
from efficientdet_coco.coco import Coco, Detections, Objects
from efficientdet_coco.matching import AREAS, LIMITS, match

Array = NDArray[Any]
NAMES = (
    *("AP", "AP50", "AP75", "AP small", "AP medium", "AP large"),
    *("AR1", "AR10", "AR100", "AR small", "AR medium", "AR large"),
)
RECALLS = np.linspace(0, 1, 101)
MOST = (1, 10, 100)  # detections of a category in a picture
# The figures in their order: precision or recall, which limits of the overlap, area and number of detections.
ROWS = (
    *(("Precision", limit, "all", 100) for limit in (None, 0, 5)),
    *(("Precision", None, area, 100) for area in ("small", "medium", "large")),
    *(("Recall", None, "all", most) for most in MOST),
    *(("Recall", None, area, 100) for area in ("small", "medium", "large")),
)
SIZES = ("all", "small", "medium", "large")


@dataclass(frozen=True)
class Judged:
    """What became of the detections of one category in the measured pictures, the 100 best of each, by picture.

    Attributes:
        category: its id.
        objects: M int64, its objects that count, as places in the data set's objects.
        truths: M int64, the ids of their pictures.
        found: 10xM bool, which of them a detection took, at each limit of the overlap.
        rows: N int64, its detections, as places in all detections.
        pictures: N int64, the ids of their pictures.
        scores: N float64.
        right: 10xN bool, at each limit of the overlap, for objects of all sizes.
        ignored: 10xN bool, those that count neither way.
        first: N int64, the object that each one that is right at the lowest limit took, as a place in `objects`; else -1.
        precision: 4x10x101, by range of areas, limit and recall; -1 where there is no object of that size.
    """

    category: int
    objects: Array
    truths: Array
    found: Array
    rows: Array
    pictures: Array
    scores: Array
    right: Array
    ignored: Array
    first: Array
    precision: Array


def evaluate(
    coco: Coco, detections: Detections, judged: list[Judged] | None = None
) -> tuple[dict[str, float], str]:
    """Return the twelve figures by name, -1 where there is nothing to measure, and the table that pycocotools prints.

    Measured on `coco.pictures`: detections in a picture that the data set does not have are an error. What became of them
    is added to `judged`, if that is given, for each category with objects.
    """
    strangers = np.setdiff1d(detections.picture, coco.listed)
    if len(strangers):
        raise GuideError(
            f"the detections are in pictures that the data set does not have: ids {strangers[:3].tolist()}."
        )
    if not len(detections.score):
        raise GuideError(
            "there is no detection to measure; the network finds 100 in every picture. Run the inference again."
        )
    measured = np.array(sorted(picture.identity for picture in coco.pictures.values()))
    object_rows = _sorted_objects(coco.objects, measured)
    rows = _sorted_detections(detections, measured)
    objects, found = coco.objects.only(object_rows), detections.only(rows)
    # -1 stands for categories without objects, as in pycocotools.
    precision = np.full((len(AREAS), len(LIMITS), len(RECALLS), len(coco.categories)), -1.0)
    recall = np.full((len(MOST), len(AREAS), len(LIMITS), len(coco.categories)), -1.0)
    categories = progress(sorted(coco.categories), len(coco.categories), "score", "class")
    for number, category in enumerate(categories):
        part, mine_part = _part(objects.category, category), _part(found.category, category)
        truth, mine = objects.only(part), found.only(mine_part)
        rank = _ranks(mine.picture)
        matches = match(mine.picture, rank, mine.boxes, truth)
        right, ignored = matches.right, matches.ignored
        counted = ~truth.crowd & (truth.area >= AREAS[:, :1]) & (truth.area <= AREAS[:, 1:])
        easy = counted.sum(axis=1)
        by_score = np.argsort(-mine.score, kind="stable")
        for area in np.flatnonzero(easy).tolist():
            for most, recalls in zip(MOST, recall, strict=True):
                recalls[area, :, number] = np.count_nonzero(right[area][:, rank < most], axis=1) / easy[area]
            for limit in range(len(LIMITS)):
                precision[area, limit, :, number] = precisions(
                    right[area, limit, by_score], ignored[area, limit, by_score], easy[area]
                )
        if judged is not None and easy[0]:
            # Copies of what is kept, for the rest to be given back.
            judged.append(
                Judged(
                    category,
                    objects=object_rows[part][counted[0]],
                    truths=truth.picture[counted[0]],
                    found=matches.taken[0][:, counted[0]],
                    rows=rows[mine_part],
                    pictures=mine.picture,
                    scores=mine.score,
                    right=right[0].copy(),
                    ignored=ignored[0].copy(),
                    first=_places(matches.first, counted[0]),
                    precision=precision[..., number].copy(),
                )
            )
    figures = _figures(precision, recall)
    return dict(zip(NAMES, figures, strict=True)), _table(figures)


def _sorted_objects(objects: Objects, pictures: Array) -> Array:
    """Return the places of the objects in some pictures by category and picture, otherwise as they are: M int64."""
    inside = np.flatnonzero(np.isin(objects.picture, pictures))
    return inside[np.lexsort((objects.picture[inside], objects.category[inside]))]


def _sorted_detections(detections: Detections, pictures: Array) -> Array:
    """Return the places of detections in some pictures, N int64: the 100 best of each category and picture.

    They are by category, picture and descending score.
    """
    inside = np.flatnonzero(np.isin(detections.picture, pictures))
    picture, category = detections.picture[inside], detections.category[inside]
    order = np.lexsort((-detections.score[inside], picture, category))
    return inside[order[_ranks(picture[order], category[order]) < MOST[-1]]]


def _places(chosen: Array, kept: Array) -> Array:
    """Return indices of objects as they are when only those that are `kept` are counted; -1 for all others."""
    places = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
    return places[chosen]


def _part(ascending: Array, value: int) -> slice:
    """Return where a value stands in an ascending array."""
    start, end = (int(np.searchsorted(ascending, value, side)) for side in ("left", "right"))
    return slice(start, end)


def _ranks(*keys: Array) -> Array:
    """Return the place of each row, counted from 0, among the rows beside it that have the same keys: N int64."""
    rows = np.arange(len(keys[0]))
    new = np.zeros(len(rows), bool)
    for key in keys:
        new |= np.diff(key, prepend=-1) != 0
    return rows - np.maximum.accumulate(np.where(new, rows, 0))


def precisions(right: Array, ignored: Array, total: int) -> Array:
    """Return the best precision at each of 101 recalls or a higher one, 0 for one that is not reached.

    Args:
        right: N bool, by descending score, which detections are right.
        ignored: N bool, which of them count neither way.
        total: how many objects there are.
    """
    hits = np.flatnonzero(right)  # between two of them precision only falls, and recall stays as it is
    return best_precisions(np.cumsum(~ignored)[hits], total)


def best_precisions(tried: Array, total: int) -> Array:
    """Return what `precisions` does, of how many detections count up to each one that is right: H int64, ascending."""
    number = np.arange(1, len(tried) + 1)
    precision = number / (tried + np.spacing(1))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return np.append(envelope, 0.0)[np.searchsorted(number / total, RECALLS)]


def _figures(precision: Array, recall: Array) -> list[float]:
    """Return the twelve figures: means over categories, limits of the overlap and, of precisions, recalls."""
    figures = []
    for kind, limit, size, most in ROWS:
        area = SIZES.index(size)
        values = precision[area] if kind == "Precision" else recall[MOST.index(most), area]
        chosen = values if limit is None else values[limit]
        known = chosen[chosen > -1]
        figures.append(float(known.mean()) if len(known) else -1.0)
    return figures


def _table(figures: list[float]) -> str:
    """Return the figures as pycocotools prints them."""
    lines = []
    for (kind, limit, size, most), value in zip(ROWS, figures, strict=True):
        limits = "0.50:0.95" if limit is None else f"{LIMITS[limit]:0.2f}"
        title, short = f"Average {kind}", "(AP)" if kind == "Precision" else "(AR)"
        lines.append(
            f" {title:<18} {short} @[ IoU={limits:<9} | area={size:>6s} | maxDets={most:>3d} ] = {value:0.3f}\n"
        )
    return "".join(lines)
