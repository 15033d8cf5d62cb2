"""What the report shows of COCO's figures beyond them: precision and recall, AP of each category, what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.facts import Accuracy
from common.report.details import (
    Cases,
    Details,
    Mark,
    Plot,
    Shade,
    Total,
    Which,
    chosen,
    line,
)
from efficientdet_coco.categories import name_of
from efficientdet_coco.coco import Coco, Detections
from efficientdet_coco.faults import FALSE, MISSED, Faults, find
from efficientdet_coco.metric import RECALLS, SIZES, Judged
from efficientdet_coco.scenes import Scenes

Array = NDArray[Any]
COLUMNS = (
    "picture",
    "objects",
    "boxes",
    "found",
    "missed",
    "wrong boxes",
    "neither way",
    "false objects",
    "cost in mAP",
)
COST = (
    "By how much the mAP would be higher: if this missed object had been found first of all, and the boxes of its category that "
    "came near it were gone; if this false object were gone; if this inexact box, which finds its object at an overlap of 0.50, "
    "found it at all ten overlaps up to 0.95. All else is left as it is."
)
_ROWS = 40  # categories in a plot


def details(
    data: Coco, detections: Detections, judged: Sequence[Judged], accuracy: Accuracy | None, worst: int
) -> Details:
    """Return what the report shows.

    Args:
        data: the data set.
        detections: what `metric.evaluate` got.
        judged: what that did with them.
        accuracy: what is published, where it is to be shown.
        worst: how many of the worst cases of each kind there are to be.
    """
    faults, attempts = find(data.objects, detections, judged)
    scenes = Scenes(data, detections, judged, attempts)
    cases = [
        scenes.case(kind, found, place, which)
        for kind, found in faults.items()
        for place, which in _shown(found, scenes.worse(kind, found), worst)
    ]
    totals = {kind: Total(len(found.cost), found.total) for kind, found in faults.items()}
    return Details(
        # Of objects of a single size the curve is that of all.
        plots=[
            plot
            for plot in (_limits(judged), _sizes(judged), *_categories(judged, accuracy))
            if len(plot.lines) > 1
        ],
        cases=Cases("mAP", COST, totals, tuple(cases)),
        columns=COLUMNS,
        rows=_rows(data, judged, faults),
    )


def _shown(found: Faults, worse: Array, worst: int) -> list[tuple[int, Which]]:
    """Return the places of the faults that are shown, and why; of those of equal costs the worse come first."""
    order = np.argsort(-worse, kind="stable")
    return [(int(order[place]), which) for place, which in chosen(found.cost[order], worst)]


def _curve(judged: Sequence[Judged], size: int, limits: slice) -> Array:
    """Return the precision at each of 101 recalls, as a mean over the categories with objects of a size, and limits."""
    known = [each.precision[size, limits].mean(axis=0) for each in judged if each.precision[size, 0, 0] >= 0]
    return np.mean(known, axis=0) if known else np.full(len(RECALLS), np.nan)


def _precision_recall(name: str, title: str, note: str, curves: Sequence[tuple[str, Array, Shade]]) -> Plot:
    return Plot(
        name,
        title,
        "recall",
        "precision",
        tuple(
            line(f"{label} {values.mean():.3f}", RECALLS, values, shade)
            for label, values, shade in curves
            if np.isfinite(values).all()
        ),
        note=note,
        x_range=(0, 1),
        y_range=(0, 1.02),
    )


def _limits(judged: Sequence[Judged]) -> Plot:
    return _precision_recall(
        "precision_recall",
        "Precision and recall",
        "Mean over the categories. Recall is the share of a category's objects that were found, precision the best share of "
        "right boxes at that recall or a higher one. The area below a curve is its AP: at the overlap 0.50, at 0.75, and, the "
        "mAP, over the ten from 0.50 to 0.95. No curve is published.",
        (
            ("AP75", _curve(judged, 0, slice(5, 6)), "third"),
            ("AP50", _curve(judged, 0, slice(0, 1)), "second"),
            ("AP", _curve(judged, 0, slice(None)), "main"),
        ),
    )


def _sizes(judged: Sequence[Judged]) -> Plot:
    shades: tuple[Shade, ...] = ("third", "second", "main")
    curves = [(SIZES[size], _curve(judged, size, slice(None)), shade) for size, shade in enumerate(shades, 1)]
    return _precision_recall(
        "sizes",
        "Precision and recall by size",
        "The same for objects of each size, over the ten overlaps: small are those of at most 32² square pixels, large those of "
        "at least 96², by the areas of their outlines in the picture.",
        curves,
    )


def _categories(judged: Sequence[Judged], accuracy: Accuracy | None) -> Iterator[Plot]:
    """Yield the AP of each category, in plots of neighbouring ones that are short enough to be seen at once."""
    if not judged:
        return
    aps = np.array([each.precision[0].mean() for each in judged])
    at_half = np.array([each.precision[0, 0].mean() for each in judged])
    names = [name_of(each.category) for each in judged]
    marks = [Mark("mean of all", x=float(aps.mean()))]
    if accuracy:
        marks.append(Mark("published", x=accuracy.published["AP"]))
    for number, part in enumerate(np.array_split(np.arange(len(aps)), -(-len(aps) // _ROWS)), 1):
        best_first = part[np.argsort(-aps[part], kind="stable")]
        rows = np.arange(len(part))
        yield Plot(
            f"categories_{number}",
            f"AP by category: {names[part[0]]} to {names[part[-1]]}",
            "AP",
            "",
            (
                line("AP at overlap 0.50", at_half[best_first], rows, "second", "points"),
                line("AP", aps[best_first], rows, "main", "points"),
            ),
            tuple(marks),
            note="The number is the AP. The further it is below that at 0.50, the less exact the boxes are.",
            x_range=(0, 1),
            rows=tuple(names[place] for place in best_first.tolist()),
        )


def _rows(
    data: Coco, judged: Sequence[Judged], faults: dict[str, Faults]
) -> list[tuple[str | int | float, ...]]:
    """Return the rows of the table, one for each picture in the order of their ids."""
    pictures = sorted(data.pictures.values(), key=lambda picture: picture.identity)
    identities = np.array([picture.identity for picture in pictures])

    def counted(parts: Sequence[Array], weights: Array | None = None) -> list[int | float]:
        places = np.searchsorted(identities, np.concatenate([np.empty(0, int), *parts]))
        return np.bincount(places, weights, len(identities)).tolist()

    right = counted([each.pictures[each.right[0]] for each in judged])
    ignored = counted([each.pictures[each.ignored[0]] for each in judged])
    boxes = counted([each.pictures for each in judged])
    return list(
        zip(
            [picture.path.name for picture in pictures],
            counted([each.truths for each in judged]),
            boxes,
            right,
            counted([faults[MISSED].picture]),
            [n - r - i for n, r, i in zip(boxes, right, ignored, strict=True)],
            ignored,
            counted([faults[FALSE].picture]),
            counted(
                [each.picture for each in faults.values()],
                np.concatenate([each.cost for each in faults.values()]),
            ),
            strict=True,
        )
    )
