"""From detections to FDDB's figures; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from common import cli
from common.facts import Facts
from common.report.figures import Figures, Origin
from common.report.metrics_json import conclude
from common.report.record import recalled
from common.timing import Stopwatch
from faceboxes_fddb import fddb, metric
from faceboxes_fddb.details import details
from faceboxes_fddb.fddb import Fold, Picture
from faceboxes_fddb.units import units_of

OTHER_ELLIPSES = (4, 13)
SURE = 0.3  # the score from which another network's faces are faces to find: some hundred with seeded weights


def score(
    folds: Sequence[Fold],
    detections: Mapping[str, NDArray[Any]],
    data: Path | None = None,
) -> Figures:
    """Return AP per fold and on average, of detections as `fddb.read_detections` returns them.

    The details show the pictures of `data`.
    """
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
        units=units_of(folds, detections, scores, data),
        details=partial(details, folds, detections, scores, data),
    )


class FoundFaces(Picture):
    """A picture with faces that a network found in it: `faces` are Nx4 float64, their boxes, in the place of ellipses."""

    @property
    def boxes(self) -> NDArray[Any]:
        """The boxes of the faces, Nx4 float64 (xmin, ymin, xmax, ymax), see `metric.evaluate`."""
        return self.faces


def against(found: Mapping[str, NDArray[Any]], truth: Mapping[str, NDArray[Any]]) -> tuple[str, float]:
    """Return FDDB's AP of the faces found, with those of another network as the faces to find, in one fold.

    Both are by stem, Nx5 (xmin, ymin, xmax, ymax, score); those that score at least SURE count. NaN where there is
    none to find.
    """
    sure = {stem: boxes[boxes[:, 4] >= SURE].astype(np.float64) for stem, boxes in truth.items()}
    tried = {stem: boxes[boxes[:, 4] >= SURE].astype(np.float64) for stem, boxes in found.items()}
    for boxes in (*sure.values(), *tried.values()):
        boxes[:, 2:4] += 1 - boxes[:, :2]  # widths and heights, as in FDDB_dets.txt
    fold: Fold = [
        FoundFaces(stem, np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:4]), axis=1))
        for stem, boxes in sure.items()
    ]
    return "AP", metric.evaluate([fold], tried)[0].ap


def score_stored(
    detections: Path,
    folds: Sequence[Fold],
    origin: Origin,
    out: Path,
    facts: Facts,
    *,
    data: Path | None,
    worst: int,
) -> int:
    """Score an FDDB_dets.txt, write results.txt and metrics.json to `out`, and return the exit status.

    `origin` holds where nothing is recorded beside it. The report shows so many of the `worst` cases in pictures of `data`.
    """
    watch = Stopwatch()
    origin = recalled([detections], origin, sum(map(len, folds)))
    with watch("evaluate"):
        figures = score(folds, fddb.read_detections(detections), data)
    return conclude(out, facts, figures, replace(origin, seconds=watch.seconds), worst=worst)
