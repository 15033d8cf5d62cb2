"""The known answers of LResNet100E-IR, see `common.compare.known`: made-up outputs and predictions, by formula."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compare.known import Known
from lresnet_lfw.postprocessing import add_flipped_by_name, pair_distances
from lresnet_lfw.scoring import score
from lresnet_lfw.task import TASK

Array = NDArray[Any]
FACES, PAIRS, LENGTH = 8, 60, 512
FEW = 6  # of an embedding's values are recorded


def results() -> Mapping[str, Array]:
    """Return the distances of the pairs that random features make, and the first values of the faces' embeddings."""
    features = (2 * np.random.Generator(np.random.PCG64(0)).random((2, FACES, LENGTH)) - 1).astype(np.float32)
    found = {
        f"{number}{end}": TASK.finish([row], None)
        for end, rows in zip(("", "_flip"), features, strict=True)
        for number, row in enumerate(rows)
    }
    embeddings = add_flipped_by_name(found, map(str, range(FACES)))
    return {"embeddings": embeddings[:, :FEW], "distances": pair_distances(embeddings)}


def figures() -> Mapping[str, float]:
    """Return LFW's figures of random faces, a second one of each pair more or less like the first if it is the same person's."""
    random = np.random.Generator(np.random.PCG64(0)).random
    first, other = 2 * random((2, PAIRS, LENGTH)) - 1
    k = np.arange(PAIRS)
    same = k % 3 != 1
    alike = np.where(same, 0.2 + k % 7 / 7, k % 5 / 8)[:, None]
    found = score(same, _embeddings(first, alike * first + other)).metrics
    right = score(same, _embeddings(first, np.where(same[:, None], first, other))).metrics
    names = ("accuracy", "best threshold", "AUC", "EER", "TAR at FAR 0.001")
    return {
        **{name: float(found[name] or 0) for name in names},
        "accuracy of the truth itself": float(right["accuracy"] or 0),
    }


def _embeddings(first: Array, second: Array) -> NDArray[np.float32]:
    """Return pairs of rows, each Nx512, in turn and of length 1: 2Nx512 float32."""
    rows = np.stack((first, second), axis=1).reshape(-1, LENGTH)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


KNOWN = Known(Path(__file__).with_name("known.json"), results, figures)
