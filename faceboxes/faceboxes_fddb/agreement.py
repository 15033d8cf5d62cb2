"""How well a deployed model agrees with torch on pictures, as outputs and as faces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.backends.base import Backend, run_batch
from common.compare.differences import differences
from faceboxes_fddb.pipeline import prepare
from faceboxes_fddb.postprocessing import detect
from faceboxes_fddb.preprocessing import network_input

Array = NDArray[Any]
SAME_PIXELS = 0.05
SAME_SCORE = 1e-3


@dataclass(frozen=True)
class Agreement:
    """Largest absolute difference per output, and how many faces are the same: within 0.05 px and 0.001."""

    pictures: int
    outputs: tuple[float, ...]
    torch_faces: int
    deployed_faces: int
    same_faces: int

    @property
    def share(self) -> float:
        """Faces that are the same, of all faces either side found (intersection over union of the sets)."""
        union = self.torch_faces + self.deployed_faces - self.same_faces
        return self.same_faces / union if union else 1.0

    def __str__(self) -> str:
        return (
            f"faces: torch {self.torch_faces}, deployed {self.deployed_faces}, "
            f"the same {self.same_faces} ({100 * self.share:.2f} %)"
        )


def compare_pictures(
    deployed: Backend, reference: Callable[[Array], Sequence[Array]], paths: Sequence[Path]
) -> Agreement:
    """Run both on every picture.

    `deployed` takes 1x1024x1024x3 uint8 (AIPP inside); `reference` takes 1x3x1024x1024 float32 with the mean
    subtracted and returns the same outputs, from torch.
    """
    outputs = np.zeros(2)
    counts = np.zeros(3, int)
    for path in paths:
        canvas, factor = prepare(path)
        found = run_batch(deployed, canvas[None])
        wanted = reference(network_input(canvas[None]))
        outputs = np.maximum(outputs, differences(found, wanted))  # keeps NaN
        faces = detect(found[0][0], found[1][0], factor)
        wanted_faces = detect(wanted[0][0], wanted[1][0], factor)
        counts += (len(wanted_faces), len(faces), count_same(faces, wanted_faces))
    return Agreement(len(paths), tuple(outputs.tolist()), *counts.tolist())


def count_same(faces: Array, others: Array) -> int:
    """Count the faces, Nx5, and the others, Mx5, that have an equal on the other side; return the smaller count."""
    if not len(faces) or not len(others):
        return 0
    difference = np.abs(faces[:, None] - others[None])
    same = (difference[..., :4].max(axis=2) <= SAME_PIXELS) & (difference[..., 4] <= SAME_SCORE)
    return int(min(same.any(axis=0).sum(), same.any(axis=1).sum()))
