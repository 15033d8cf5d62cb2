"""From stored detections to COCO's figures, printed and written; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from common.facts import Facts
from common.report.metrics_json import why_not_whole, write_metrics
from efficientdet_coco import coco, metric
from efficientdet_coco.coco import Coco


def score(
    data: Coco,
    detections: Path,
    out: Path,
    model: Facts,
    *,
    dataset: str | None = None,
    why_not_comparable: str | None = None,
    more: Mapping[str, float] | None = None,
    backend: str | None = None,
    precision: str | None = None,
    seconds: Mapping[str, float] | None = None,
) -> str:
    """Score a results JSON, print COCO's table, write metrics.json.

    Returns the verdict. `why_not_comparable` says what makes the figure another one than the published; another number
    of pictures than COCO val2017 has is such a reason by itself. `more` joins the figures in metrics.json.
    """
    start = time.perf_counter()
    figures, table = metric.evaluate(data, coco.read_detections(detections))
    spent = time.perf_counter() - start
    why_not_comparable = why_not_comparable or why_not_whole(model.accuracy, data.total)

    if why_not_comparable:
        print(f"measured on {why_not_comparable}:")
    print(table, end="")
    print(f"mAP: {100 * figures['AP']:.1f}")
    left_out = data.total - len(data.pictures)
    note = (
        f"; {left_out} with a side under {coco.SMALLEST} pixels left out, as in the original"
        if left_out
        else ""
    )
    print(f"{data.total} pictures{note}")
    report = write_metrics(
        out,
        model,
        dataset=dataset or model.accuracy.dataset,
        images=data.total,
        metrics={**figures, **(more or {})},
        why_not_comparable=why_not_comparable,
        backend=backend,
        precision=precision,
        seconds={**(seconds or {}), "evaluate": spent},
    )
    return str(report["verdict"])
