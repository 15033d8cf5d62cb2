"""From features to Market-1501's figures, printed and written; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.facts import Facts
from common.files import write_json
from common.report.metrics_json import why_not_whole, write_metrics
from pcb_market import metric
from pcb_market.market import Market, persons

TOPS = (1, 5, 10)


def score(
    query: NDArray[np.float32],
    gallery: NDArray[np.float32],
    market: Market,
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
    """Score features, QxD and GxD, print the figures, write PCB_inference_result.json and metrics.json.

    Returns the verdict. `why_not_comparable` says what makes the figure another one than the published; another number
    of pictures than Market-1501 has is such a reason by itself. `more` joins the figures in metrics.json.
    """
    start = time.perf_counter()
    scores = metric.evaluate(query, gallery, market.query, market.gallery)
    spent = time.perf_counter() - start
    images = len(query) + len(gallery)
    why_not_comparable = why_not_comparable or why_not_whole(model.accuracy, images)

    if why_not_comparable:
        print(f"measured on {why_not_comparable}:")
    print(market.table())
    print(f"{scores.counted} of {len(query)} queries have a match to find; the others are not counted")
    print(f"Mean AP: {scores.mean_ap:.1%}")
    print("CMC Scores  market1501")
    for k in TOPS:
        print(f"  top-{k:<4}{scores.top(k):12.1%}")
    table = result_table(market, scores)
    print(table)
    write_json(out / "PCB_inference_result.json", table)
    report = write_metrics(
        out,
        model,
        dataset=dataset or model.accuracy.dataset,
        images=images,
        metrics={
            **{f"top-{k}": scores.top(k) for k in TOPS},
            "mAP": scores.mean_ap,
            "queries counted": scores.counted,
            **(more or {}),
        },
        why_not_comparable=why_not_comparable,
        backend=backend,
        precision=precision,
        seconds={**(seconds or {}), "evaluate": spent},
    )
    return str(report["verdict"])


def result_table(market: Market, scores: metric.Scores) -> dict[str, Any]:
    """Return the guide's table of results, its counts counted.

    "Number of images" is the gallery's. "Number of classes" are the training set's persons, left out where the training
    set is not there to be counted.
    """
    rows = {"Number of images": str(len(market.gallery))}
    if market.train:
        rows["Number of classes"] = str(persons(market.train))
    rows |= {f"Top-{k} accuracy": f"{scores.top(k):.1%}" for k in TOPS}
    return {
        "title": "Overall statistical evaluation",
        "value": [{"key": key, "value": value} for key, value in rows.items()],
    }
