"""Regions of two networks side by side: as a set, by place, and what was found in equal ones.

Two runs order nearly equal probabilities differently, and one region more or less decides about others, so that rows
cannot be compared by their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compare.agreement import OTHER_CHECKPOINT
from common.compare.differences import largest_differences
from common.errors import GuideError

Array = NDArray[Any]
SAME_PLACE = 0.05  # canvas pixels
# The share of equal regions that is demanded; 281 to 296 of 300 were measured between two libraries.
REGIONS = 0.9


class RegionDifferences:
    """The differences of two networks' outputs in equal regions, for `common.compare.with_torch`.

    Attributes:
        shares: the share of equal regions, picture by picture.
    """

    def __init__(self) -> None:
        self.shares: list[float] = []

    def __call__(self, found: Sequence[Array], wanted: Sequence[Array]) -> Array:
        """Return what `compare_regions` does of the outputs for one picture, and remember the share."""
        largest, share = compare_regions(found, wanted)
        self.shares.append(share)
        return largest

    @property
    def share(self) -> float:
        """The mean share of equal regions."""
        return sum(self.shares) / len(self.shares)


def compare_regions(found: Sequence[Array], wanted: Sequence[Array]) -> tuple[Array, float]:
    """Return the largest differences of rois, cls_prob and bbox_pred in equal regions, and the share of those.

    Equal regions are within 0.05 canvas pixels, and rounded to the same cells.

    Args:
        found: rois 300x5, cls_prob 300x21, bbox_pred 300x84.
        wanted: the same from the other side, whose regions are looked for.
    """
    distance = np.abs(found[0][:, None] - wanted[0][None]).max(axis=2)
    nearest, here = distance.argmin(axis=0), np.arange(len(wanted[0]))
    same = distance[nearest, here] < SAME_PLACE
    share = float(same.mean())
    # A coordinate beside one half can be rounded to another pixel, and pooled from other cells.
    same &= (np.floor(found[0][nearest] + 0.5) == np.floor(wanted[0] + 0.5)).all(axis=1)
    if not same.any():
        return np.full(len(wanted), np.inf), share
    rows = [rows[nearest[same]] for rows in found]
    return largest_differences(rows, [rows[same] for rows in wanted]), share


def region_problems(share: float, consequence: str = OTHER_CHECKPOINT) -> tuple[str, ...]:
    """Say what is wrong with a share of equal regions; `consequence` ends the message."""
    if share >= REGIONS:
        return ()
    return (
        f"{100 * share:.1f} % of torch's regions are the same, fewer than {100 * REGIONS:.0f} %. {consequence}",
    )


def check_regions(share: float, consequence: str) -> None:
    """Refuse that fewer regions than REGIONS are the same; `consequence` ends the message."""
    for problem in region_problems(share, consequence):
        raise GuideError(problem)
