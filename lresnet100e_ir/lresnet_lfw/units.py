"""What LFW's figure is computed of, pair by pair; see `common.report.units`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from common.report.units import Units
from lresnet_lfw.metric import THRESHOLDS, Verification


def units_of(distances: NDArray[np.float32], same: NDArray[np.bool_], verification: Verification) -> Units:
    """Return the distance of each pair, whether it is the same person's, and its fold; pairs are counted from 0."""
    return Units(
        "pairs",
        ("accuracy",),
        [str(number) for number in range(len(same))],
        {
            "distance": distances,
            "same": same,
            "fold": verification.folds.astype(np.int16),
            "thresholds": THRESHOLDS,
        },
    )
