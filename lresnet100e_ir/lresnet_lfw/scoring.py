"""From embeddings to LFW's figures; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from common.report.figures import Figures
from lresnet_lfw import metric
from lresnet_lfw.postprocessing import pair_distances

STARS = "*" * 50
HALF = 300  # of a fold of LFW


def score(same: NDArray[np.bool_], embeddings: NDArray[np.float32]) -> Figures:
    """Return accuracy, best threshold and the figures of the ROC curve, and the distance of each pair in pairs.csv.

    Args:
        same: whether each pair is the same person's, N bool.
        embeddings: of length 1, 2Nx512; rows 2k and 2k+1 are a pair.
    """
    distances = pair_distances(embeddings)
    verification = metric.verify(distances, same)
    roc = metric.roc_figures(distances, same)
    lines = (
        STARS,
        f"accuracy: {verification.accuracy!r}",
        f"best_thresholds: {verification.best_threshold!r}",
        STARS,
        ", ".join(f"{name} {value:.6g}" for name, value in roc.items()),
        f"{len(same)} pairs, {same.sum()} of the same person",
    )
    return Figures(
        metrics={
            "accuracy": verification.accuracy,
            "best threshold": verification.best_threshold,
            **roc,
        },
        pictures=len(embeddings),
        counts={
            "pairs": len(same),
            "pairs of one person": int(same.sum()),
            "folds as in pairs.txt": _known_folds(same),
        },
        text="".join(f"{line}\n" for line in lines),
        files={"pairs.csv": _pairs_csv(distances, same, verification)},
    )


def _known_folds(same: NDArray[np.bool_]) -> int:
    """Count the folds of LFW's pairs.txt: 300 pairs of one person each, then 300 of two."""
    whole = same[: len(same) // (2 * HALF) * 2 * HALF].reshape(-1, 2, HALF)
    return int((whole[:, 0].all(axis=1) & ~whole[:, 1].any(axis=1)).sum())


def _pairs_csv(
    distances: NDArray[np.float32], same: NDArray[np.bool_], verification: metric.Verification
) -> str:
    """Return one line per pair: its distance, and what its fold's threshold says of it."""
    thresholds = verification.best_thresholds[verification.folds]
    correct = (distances < thresholds) == same
    columns = (range(len(same)), same, distances, verification.folds + 1, thresholds, correct)
    # All lines at once: a line by itself takes half as long again.
    lines = "%d,%d,%.9g,%d,%.2f,%d\n" * len(same) % tuple(np.column_stack(columns).ravel().tolist())
    return f"pair,same,distance,fold,threshold,correct\n{lines}"
