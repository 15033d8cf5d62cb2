"""From detections to FDDB's figures; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from common import cli
from common.facts import Facts
from common.report.figures import Figures, Origin
from common.report.metrics_json import conclude
from common.report.record import recalled
from common.timing import Stopwatch
from faceboxes_fddb import fddb, metric
from faceboxes_fddb.fddb import Fold

OTHER_ELLIPSES = (4, 13)


def score(folds: Sequence[Fold], detections: Mapping[str, NDArray[Any]]) -> Figures:
    """Return AP per fold and on average, of detections as `fddb.read_detections` returns them."""
    scores = metric.evaluate(folds, detections)
    pictures, faces = sum(fold.pictures for fold in scores), sum(fold.faces for fold in scores)
    aps = {f"AP fold {i}": fold.ap for i, fold in enumerate(scores, 1) if fold.faces}
    average = sum(aps.values()) / len(aps) if aps else math.nan
    results = [f"FDDB-fold-{i} Val AP: {fold.ap!r}" for i, fold in enumerate(scores, 1)]
    results.append(f"FDDB Dataset Average AP: {average!r}")

    notes = []
    empty = [str(i) for i, fold in enumerate(scores, 1) if not fold.faces]
    if empty:
        notes.append(f"folds without faces are left out of the average: {', '.join(empty)}")
    notes.append(f"{cli.counted(pictures, 'picture')}, {cli.counted(faces, 'face')}")
    if tuple(map(int, cv2.__version__.split(".")[:2])) >= OTHER_ELLIPSES:
        notes.append(
            f"note: OpenCV {cv2.__version__} draws 1.5 to 4 % of FDDB's ellipses one pixel differently from the "
            "versions before 4.13, with which the published figure was measured"
        )
    return Figures(
        metrics={"AP": average, **aps, "faces": faces},
        pictures=pictures,
        counts={"faces": faces},
        names=[picture.name for fold in folds for picture in fold],
        text="".join(f"{line}\n" for line in (*results, *notes)),
        files={"results.txt": "".join(f"{line}\n" for line in results)},
    )


def score_stored(detections: Path, folds: Sequence[Fold], out: Path, facts: Facts) -> int:
    """Score an FDDB_dets.txt, write results.txt and metrics.json to `out`, and return the exit status."""
    watch = Stopwatch()
    origin = recalled([detections], Origin(facts.accuracy.dataset, None, None, {}), sum(map(len, folds)))
    with watch("evaluate"):
        figures = score(folds, fddb.read_detections(detections))
    return conclude(out, facts, figures, replace(origin, seconds=watch.seconds))
