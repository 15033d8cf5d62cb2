"""From stored detections to FDDB's figures, printed and written; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2

from common.facts import Facts
from common.files import write_text
from common.report.metrics_json import why_not_whole, write_metrics
from faceboxes_fddb import fddb, metric
from faceboxes_fddb.fddb import Fold

OTHER_ELLIPSES = (4, 13)


def score(
    folds: Sequence[Fold],
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
    """Score an FDDB_dets.txt, print AP per fold and on average, write results.txt and metrics.json.

    Returns the verdict. `why_not_comparable` says what makes the figure another one than the published; fewer or
    more pictures than FDDB has are such a reason by themselves. `more` joins the figures in metrics.json.
    """
    start = time.perf_counter()
    scores = metric.evaluate(folds, fddb.read_detections(detections))
    spent = time.perf_counter() - start
    pictures = sum(fold.pictures for fold in scores)
    faces = sum(fold.faces for fold in scores)
    why_not_comparable = why_not_comparable or why_not_whole(model.accuracy, pictures)

    lines = [f"FDDB-fold-{i} Val AP: {fold.ap!r}\n" for i, fold in enumerate(scores, 1)]
    aps = {f"AP fold {i}": fold.ap for i, fold in enumerate(scores, 1) if fold.faces}
    average = sum(aps.values()) / len(aps) if aps else math.nan
    lines.append(f"FDDB Dataset Average AP: {average!r}\n")
    write_text(out / "results.txt", "".join(lines))
    if why_not_comparable:
        print(f"measured on {why_not_comparable}:")
    print("".join(lines), end="")
    empty = [str(i) for i, fold in enumerate(scores, 1) if not fold.faces]
    if empty:
        print(f"folds without faces are left out of the average: {', '.join(empty)}")
    print(f"{pictures} pictures, {faces} faces")
    if tuple(map(int, cv2.__version__.split(".")[:2])) >= OTHER_ELLIPSES:
        print(
            f"note: OpenCV {cv2.__version__} draws 1.5 to 4 % of FDDB's ellipses one pixel differently from the "
            "versions before 4.13, with which the published figure was measured"
        )
    report = write_metrics(
        out,
        model,
        dataset=dataset or model.accuracy.dataset,
        images=pictures,
        metrics={"AP": average, **aps, "faces": faces, **(more or {})},
        why_not_comparable=why_not_comparable,
        backend=backend,
        precision=precision,
        seconds={**(seconds or {}), "evaluate": spent},
    )
    return str(report["verdict"])
