"""The curves of the report: precision and recall by class and by size, and the average precision of each class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from common.facts import Accuracy
from common.report.details import Mark, Plot, Shade, line
from rfcn_voc.detections import Detections
from rfcn_voc.faults import Faults
from rfcn_voc.metric import RECALLS, Array, ClassScore, interpolated, mean_ap
from rfcn_voc.voc import Objects

_SHOWN = np.linspace(0, 1, 201)  # recalls
_PRECISION = "precision, interpolated"
_BORDERS = (32**2, 96**2)  # pixels, between the sizes, as COCO has them
_SIZES: tuple[tuple[str, Shade], ...] = (("small", "faint"), ("medium", "second"), ("large", "main"))


def plots(
    objects: Objects,
    detections: Detections,
    scores: Mapping[str, ClassScore],
    faults: Faults,
    accuracy: Accuracy | None,
) -> tuple[Plot, ...]:
    """Return the plots, of what `metric.evaluate` and `faults.judge` said of detections; `accuracy` is what is published."""
    return _curves(scores), _classes(scores, accuracy), _sizes(objects, detections, scores, faults)


def _curves(scores: Mapping[str, ClassScore]) -> Plot:
    eleven = _mean(scores, RECALLS)
    lowest = min(scores, key=lambda name: scores[name].ap)
    lines = [line("a class", _SHOWN, _precisions(score, _SHOWN), "faint") for score in scores.values()]
    lines.append(line(f"{lowest} (lowest AP)", _SHOWN, _precisions(scores[lowest], _SHOWN), "second"))
    lines.append(line("mean", _SHOWN, _mean(scores, _SHOWN)))
    return Plot(
        "precision_recall",
        "Precision and recall",
        "recall",
        _PRECISION,
        tuple(lines),
        tuple(Mark("eleven points", float(x), float(y)) for x, y in zip(RECALLS, eleven, strict=True)),
        note="As VOC2007 has it: mAP is the mean of the eleven points. Each is the mean over the classes of the best precision that a "
        "class has at this recall or a higher one, 0 where it does not reach it. No curve is published.",
        x_range=(0, 1.01),
        y_range=(0, 1.02),
    )


def _classes(scores: Mapping[str, ClassScore], accuracy: Accuracy | None) -> Plot:
    ap = np.array([score.ap for score in scores.values()])
    marks = [Mark("mAP", x=mean_ap(scores))]
    if accuracy:
        marks.append(Mark("published", x=accuracy.published["mAP"]))
    empty = [name for name, score in scores.items() if not score.objects]
    note = f" Without objects that are not difficult, and 0 in the mean: {', '.join(empty)}." if empty else ""
    return Plot(
        "classes",
        "AP of each class",
        "AP",
        "",
        (line("AP of a class", ap, np.arange(len(ap)), "main", "points"),),
        tuple(marks),
        note=f"At eleven recalls, as the published mean. By class nothing is published.{note}",
        x_range=(-0.01, 1.01),
        rows=tuple(scores),
    )


def _sizes(
    objects: Objects, detections: Detections, scores: Mapping[str, ClassScore], faults: Faults
) -> Plot:
    """Return the curves by size: objects of other sizes count neither way, nor do wrong boxes of such a size."""
    of_objects, of_boxes = (
        np.digitize(_areas(boxes), _BORDERS) for boxes in (objects.boxes, detections.boxes)
    )
    lines, told = [], []
    recalls = np.concatenate((_SHOWN, RECALLS))
    for size, (label, shade) in enumerate(_SIZES):
        easy = ~objects.difficult & (of_objects == size)
        means: list[Array] = []
        for number, score in enumerate(scores.values()):
            if total := int(np.count_nonzero(easy & (objects.category == number))):
                right = score.right & (of_objects[faults.nearest[score.rows]] == size)
                counted = right | score.counted & ~score.right & (of_boxes[score.rows] == size)
                means.append(interpolated(np.cumsum(right), np.cumsum(counted), total, recalls))
        if means:
            mean = np.mean(means, axis=0)
            lines.append(line(label, _SHOWN, mean[: len(_SHOWN)], shade))
            told.append(f"{np.count_nonzero(easy):,} {label}, AP {mean[len(_SHOWN) :].mean():.3f}")
    return Plot(
        "sizes",
        "Precision and recall by size",
        "recall",
        _PRECISION,
        tuple(lines),
        note=f"The mean over the classes that have such objects: {'; '.join(told)} at eleven recalls. VOC knows no sizes; these are "
        "COCO's: small is less than 32 × 32 pixels of the picture, large 96 × 96 and more. Objects of other sizes "  # noqa: RUF001
        "count neither way, nor do wrong boxes of such a size.",
        x_range=(0, 1.01),
        y_range=(0, 1.02),
    )


def _areas(boxes: Array) -> Array:
    return np.maximum(boxes[:, 2:] - boxes[:, :2] + 1, 0).prod(axis=1)


def _mean(scores: Mapping[str, ClassScore], recalls: Array) -> Array:
    return np.mean([_precisions(score, recalls) for score in scores.values()], axis=0)


def _precisions(score: ClassScore, recalls: Array) -> Array:
    return interpolated(np.cumsum(score.right), np.cumsum(score.counted), score.objects, recalls)
