"""The known answers of FaceBoxes, see `common.compare.known`: made-up outputs and predictions, by formula."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compare.known import Known
from faceboxes_fddb.fddb import Picture
from faceboxes_fddb.postprocessing import priors
from faceboxes_fddb.scoring import score
from faceboxes_fddb.task import TASK

Array = NDArray[Any]
CROWDED = slice(9000, 9200)  # rows of priors side by side, where boxes overlap
# How far predictions lie beside their faces, in widths: no overlap is near the limit of one half.
SHIFTS = (0.0, 0.1, -0.25, 0.5, 0.25, -0.7)


def results() -> Mapping[str, Array]:
    """Return the faces that `TASK.finish` makes of random outputs, a few of them likely."""
    random = np.random.Generator(np.random.PCG64(0)).random
    loc = (2 * random((len(priors()), 4)) - 1).astype(np.float32)
    face = random(len(priors())) ** 1000
    face[CROWDED] = random(len(face[CROWDED]))
    return {"faces": TASK.finish([loc, np.stack((1 - face, face), axis=1).astype(np.float32)], 1.6)}


def figures() -> Mapping[str, float]:
    """Return FDDB's figures of predictions beside ellipses in two folds, with one face too many in each picture."""
    folds = [[_picture(fold, number) for number in range(3)] for fold in range(2)]
    missed = {picture.stem: _beside(picture, SHIFTS) for fold in folds for picture in fold}
    right = {picture.stem: _beside(picture, (0.0,))[:-1] for fold in folds for picture in fold}
    found = score(folds, missed).metrics
    return {
        **{name: float(found[name] or 0) for name in ("AP", "AP fold 1", "AP fold 2")},
        "AP of the truth itself": float(score(folds, right).metrics["AP"] or 0),
    }


def _picture(fold: int, number: int) -> Picture:
    """Return a picture of a fold with as many faces as it is in number, and two more."""
    k = np.arange(number + 2 + fold)
    columns = (40.0 + 7 * k, 30.0 + 5 * k, 1.2 + 0.1 * k, 100.0 + 200 * k, 150.0 + 40 * number + 0 * k)
    return Picture(f"made/up/{fold}_{number}", np.stack(columns, axis=1))


def _beside(picture: Picture, shifts: Sequence[float]) -> Array:
    """Return predictions beside the faces of a picture, by descending score, and one where there is none."""
    boxes = picture.boxes.astype(np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    k = np.arange(len(boxes))
    number = int(picture.stem[-1])
    shift = np.array(shifts)[(k + number) % len(shifts)]
    scores = 0.95 - 0.07 * k - 0.013 * number
    rows = np.column_stack((boxes[:, 0] + shift * sides[:, 0], boxes[:, 1], sides, scores))
    return np.concatenate((rows, [(5.0, 600.0, 40.0, 50.0, 0.66)]))


KNOWN = Known(Path(__file__).with_name("known.json"), results, figures)
