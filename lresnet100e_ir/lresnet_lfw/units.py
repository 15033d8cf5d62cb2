"""What LFW's figure is computed of, pair by pair; see `common.report.units`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from common.report.units import Units
from lresnet_lfw.lfw import Face
from lresnet_lfw.metric import THRESHOLDS, Verification


def units_of(
    distances: NDArray[np.float32],
    same: NDArray[np.bool_],
    verification: Verification,
    faces: Mapping[str, Face] | None = None,
) -> Units:
    """Return the distance of each pair, whether it is the same person's, and its fold; pairs are counted from 0.

    `faces` are the pairs' by "0", "1", ..., where they are at hand; those that are files of their own can be shown.
    """
    paths = [_path(faces, number) for number in range(2 * len(same))]
    shown = {"paths": np.array(paths, str).reshape(-1, 2)} if any(paths) else {}
    return Units(
        "pairs",
        ("accuracy",),
        [f"pair {number}, fold {fold + 1}" for number, fold in enumerate(verification.folds.tolist())],
        {
            "distance": distances,
            "same": same,
            "fold": verification.folds.astype(np.int16),
            "thresholds": THRESHOLDS,
            **shown,
        },
    )


def _path(faces: Mapping[str, Face] | None, number: int) -> str:
    """Return where a face's file is, nothing where it has none of its own."""
    face = (faces or {}).get(str(number))
    return str(face.path.absolute()) if face and face.data is None else ""
