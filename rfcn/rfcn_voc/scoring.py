"""From stored detections to VOC's figures, printed and written; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path

from common.facts import Facts
from common.report.metrics_json import why_not_whole, write_metrics
from rfcn_voc import metric
from rfcn_voc.detections import read_detections
from rfcn_voc.metric import ClassScore
from rfcn_voc.voc import Objects, Voc, read_objects


def score(
    data: Voc,
    detections: Path,
    out: Path,
    model: Facts,
    *,
    truth: Objects | None = None,
    dataset: str | None = None,
    why_not_comparable: str | None = None,
    more: Mapping[str, float] | None = None,
    backend: str | None = None,
    precision: str | None = None,
    seconds: Mapping[str, float] | None = None,
) -> str:
    """Score a directory of result files, print AP per class and their means, write metrics.json.

    Returns the verdict. `truth` are the annotated objects, if they have been read already. `why_not_comparable` says what makes the figure another one than the published; another number
    of pictures than VOC2007's test set has is such a reason by itself. `more` joins the figures in metrics.json.
    """
    start = time.perf_counter()
    scores = metric.evaluate(truth or read_objects(data), read_detections(detections, data))
    spent = time.perf_counter() - start
    images = len(data.pictures)
    why_not_comparable = why_not_comparable or why_not_whole(model.accuracy, images)
    mean, mean_all = metric.mean_ap(scores), metric.mean_ap_all_points(scores)

    if why_not_comparable:
        print(f"measured on {why_not_comparable}:")
    print(_table(scores), end="")
    print(f"Mean AP = {mean:.4f}")
    print(
        f"Mean AP over all points = {_digits(mean_all)}, as VOC measures since 2010; not the published metric"
    )
    empty = [name for name, found in scores.items() if not found.objects]
    if empty:
        print(
            "classes without objects that are not difficult count as 0 in the first mean, as in the original, and not "
            f"in the second: {', '.join(empty)}"
        )
    objects, boxes = (sum(s.objects for s in scores.values()), sum(s.detections for s in scores.values()))
    print(f"{images} pictures, {objects} objects that are not difficult, {boxes} detections")
    report = write_metrics(
        out,
        model,
        dataset=dataset or model.accuracy.dataset,
        images=images,
        metrics={
            "mAP": mean,
            "mAP all points": mean_all,
            **{f"AP {name}": found.ap for name, found in scores.items()},
            **(more or {}),
        },
        why_not_comparable=why_not_comparable,
        backend=backend,
        precision=precision,
        seconds={**(seconds or {}), "evaluate": spent},
    )
    return str(report["verdict"])


def _table(scores: Mapping[str, ClassScore]) -> str:
    lines = [f"{'class':12}{'objects':>8}{'AP, 11 points':>16}{'AP, all points':>16}\n"]
    lines += [
        f"{name:12}{found.objects:8}{found.ap:16.4f}{_digits(found.ap_all_points):>16}\n"
        for name, found in scores.items()
    ]
    return "".join(lines)


def _digits(value: float) -> str:
    """Return a figure with four decimals, a dash for one that there is not."""
    return "-" if math.isnan(value) else f"{value:.4f}"
