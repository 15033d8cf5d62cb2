"""How well a deployed model agrees with torch on pictures, as outputs and as detections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.backends.base import Backend, run_batch
from common.compare.differences import differences
from efficientdet_coco.pipeline import prepare
from efficientdet_coco.postprocessing import detect

Array = NDArray[Any]
SAME_PIXELS = 0.5
SAME_SCORE = 1e-3


@dataclass(frozen=True)
class Agreement:
    """Largest absolute difference per output; how many detections are the same: class, within 0.5 px and 0.001."""

    pictures: int
    outputs: tuple[float, ...]
    torch_objects: int
    deployed_objects: int
    same_objects: int

    @property
    def share(self) -> float:
        """Detections that are the same, of all that either side has (intersection over union of the sets)."""
        union = self.torch_objects + self.deployed_objects - self.same_objects
        return self.same_objects / union if union else 1.0

    def __str__(self) -> str:
        return (
            f"detections: torch {self.torch_objects}, deployed {self.deployed_objects}, "
            f"the same {self.same_objects} ({100 * self.share:.2f} %)"
        )


def compare_pictures(
    deployed: Backend, reference: Callable[[Array], Sequence[Array]], paths: Sequence[Path]
) -> Agreement:
    """Run both on every picture; `reference` returns the same outputs, from torch."""
    outputs = np.zeros(len(deployed.outputs))
    counts = np.zeros(3, int)
    for path in paths:
        image, placed = prepare(path)
        found, wanted = run_batch(deployed, image[None]), reference(image[None])
        outputs = np.maximum(outputs, differences(found, wanted))  # keeps NaN
        ours, theirs = (detect([output[0] for output in maps], placed) for maps in (found, wanted))
        counts += (len(theirs), len(ours), count_same(ours, theirs))
    return Agreement(len(paths), tuple(outputs.tolist()), *counts.tolist())


def count_same(objects: Array, others: Array) -> int:
    """Count the detections, Nx6, and the others, Mx6, that have an equal on the other side; return the smaller count."""
    if not len(objects) or not len(others):
        return 0
    difference = np.abs(objects[:, None] - others[None])
    near = (difference[..., :4].max(axis=2) <= SAME_PIXELS) & (difference[..., 4] <= SAME_SCORE)
    same = near & (difference[..., 5] == 0)
    return int(min(same.any(axis=0).sum(), same.any(axis=1).sum()))
