"""What FDDB's figure is computed of, picture by picture; see `common.report.units`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.report.units import Units
from faceboxes_fddb.fddb import Fold, Picture, picture_at_hand
from faceboxes_fddb.metric import THRESHOLDS, FoldScore


def units_of(
    folds: Sequence[Fold],
    detections: Mapping[str, NDArray[Any]],
    scores: Sequence[FoldScore],
    data: Path | None = None,
) -> Units:
    """Return what the metric decided of the boxes in the pictures, fold by fold; the pictures are found in `data`."""
    pictures = [picture for fold in folds for picture in fold]
    faces = np.array([len(picture.faces) for picture in pictures], np.int32)
    # As in `FoldScore`: of the pictures with faces.
    boxes = np.concatenate(
        [np.empty((0, 4)), *(detections[each.stem][:, :4] for each in pictures if len(each.faces))]
    )
    boxes[:, 2:] += boxes[:, :2]
    found = [detections[picture.stem][:, 4] for picture in pictures]
    counts = np.array([len(each) for each in found], np.int64)
    # The lowest and the highest score in each picture that has a box.
    every, begins = np.concatenate([np.empty(0), *found]), (np.cumsum(counts) - counts)[counts > 0]
    lowest, highest = np.full(len(found), math.inf), np.full(len(found), -math.inf)
    if len(begins):
        lowest[counts > 0] = np.minimum.reduceat(every, begins)
        highest[counts > 0] = np.maximum.reduceat(every, begins)
    sizes = [len(fold) for fold in folds]
    firsts = np.cumsum(sizes) - sizes
    return Units(
        "folds",
        ("AP",),
        [picture.name for picture in pictures],
        {
            "truths": faces,
            "fold": np.repeat(np.arange(len(folds), dtype=np.int16), sizes),
            "lowest": lowest,
            "highest": highest,
            "unit": np.concatenate(
                [score.owner + first for score, first in zip(scores, firsts, strict=True)]
            ).astype(np.int32),
            "score": np.concatenate([score.score for score in scores]),
            "right": np.concatenate([score.hit for score in scores]),
            "thresholds": THRESHOLDS,
            "paths": np.array([_path(data, picture) for picture in pictures], str),
            "corners": boxes.astype(np.float32),
            "truth_unit": np.repeat(np.arange(len(pictures), dtype=np.int32), faces),
            "truth_corners": np.concatenate(
                [np.empty((0, 4)), *(picture.boxes for picture in pictures if len(picture.faces))]
            ).astype(np.float32),
        },
    )


def _path(data: Path | None, picture: Picture) -> str:
    """Return where a picture is, nothing where it is not at hand."""
    path = picture_at_hand(data, picture)
    return str(path.absolute()) if path else ""
