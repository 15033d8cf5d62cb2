"""From features to Market-1501's figures; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.files import json_text
from common.report.figures import Figures
from pcb_market import metric
from pcb_market.details import details
from pcb_market.market import Market, persons
from pcb_market.postprocessing import matrix, squared_distances, squared_lengths
from pcb_market.units import units_of

Features = Mapping[str, NDArray[np.float32]]
TOPS = (1, 5, 10)
NEAREST = 3  # as many pictures of the sample's gallery show one person


def score(
    data: Market,
    query: NDArray[np.float32],
    gallery: NDArray[np.float32],
) -> Figures:
    """Return top-1, 5 and 10 and mean average precision, of features QxD and GxD in the order of the data's pictures."""
    scores = metric.evaluate(query, gallery, data.query, data.gallery)
    table = result_table(data, scores)
    counts = [row for row in table["value"] if row["value"].isdecimal()]
    lines = [
        data.table(),
        f"{scores.counted} of {len(query)} queries have a match to find; the others are not counted",
        f"Mean AP: {scores.mean_ap:.4f}",
        "CMC Scores  market1501",
        *(f"  top-{k:<4}{scores.top(k):12.4f}" for k in TOPS),
        table["title"],
        *(f"  {row['key']:18}{row['value']:>8}" for row in counts),
    ]
    return Figures(
        metrics={
            **{f"top-{k}": scores.top(k) for k in TOPS},
            "mAP": scores.mean_ap,
            "queries counted": scores.counted,
        },
        pictures=len(query) + len(gallery),
        counts={
            "queries": len(data.query),
            "persons among the queries": persons(data.query),
            "persons in the gallery": persons(data.gallery),
        },
        names=[picture.path.name for picture in data.pictures.values()],
        text="".join(f"{line}\n" for line in lines),
        files={"PCB_inference_result.json": json_text(table)},
        units=units_of(data, scores, TOPS),
        details=partial(details, data, scores),
    )


def against(found: Features, truth: Features, queries: int) -> tuple[str, float]:
    """Return the mean average precision with the NEAREST pictures that another network finds as the right ones.

    1.0 is nothing lost.

    Args:
        found: the features of all pictures by name, the queries first, 12288 each.
        truth: those of the other network.
        queries: how many there are.
    """
    distances = []
    for features in (found, truth):
        rows = matrix(features.items(), len(features))
        distances.append(squared_distances(rows[:queries], rows[queries:], squared_lengths(rows[queries:])))
    ours, theirs = distances
    nearest = np.sort(np.argsort(theirs, axis=1)[:, :NEAREST], axis=1)
    precisions = [metric.query_scores(row, right)[0] for row, right in zip(ours, nearest, strict=True)]
    return "mAP", float(np.mean(precisions))


def result_table(data: Market, scores: metric.Scores) -> dict[str, Any]:
    """Return the guide's table of results, its counts counted.

    "Number of images" is the gallery's. "Number of classes" are the training set's persons, left out where the training
    set is not there to be counted.
    """
    rows = {"Number of images": str(len(data.gallery))}
    if data.train:
        rows["Number of classes"] = str(persons(data.train))
    rows |= {f"Top-{k} accuracy": f"{scores.top(k):.1%}" for k in TOPS}
    return {
        "title": "Overall statistical evaluation",
        "value": [{"key": key, "value": value} for key, value in rows.items()],
    }
