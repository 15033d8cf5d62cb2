"""From embeddings to LFW's figures; shared by postprocess.py and evaluate.py."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from common.report.figures import Figures
from lresnet_lfw import metric
from lresnet_lfw.details import details
from lresnet_lfw.lfw import Face
from lresnet_lfw.postprocessing import add_flipped_by_name, pair_distances
from lresnet_lfw.units import units_of

Features = Mapping[str, NDArray[np.float32]]
STARS = "*" * 50
HALF = 300  # of a fold of LFW


def score(
    same: NDArray[np.bool_],
    embeddings: NDArray[np.float32],
    faces: Mapping[str, Face] | None = None,
) -> Figures:
    """Return accuracy, best threshold and the figures of the ROC curve, and the distance of each pair in pairs.csv.

    Args:
        same: whether each pair is the same person's, N bool.
        embeddings: of length 1, 2Nx512; rows 2k and 2k+1 are a pair.
        faces: by "0", "1", ..., where they are at hand, for the details to show.
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
        units=units_of(distances, same, verification, faces),
        details=partial(details, distances, same, verification, faces or {}),
    )


def against(found: Features, truth: Features, faces: Collection[str]) -> tuple[str, float]:
    """Return the share of pairs about which two networks decide alike whether they are the same person's.

    All faces make pairs with all others. A pair is the same person's if its distance is below the median of the other
    network's distances: there decisions are closest, and no threshold has to be found first. 1.0 is nothing lost.

    Args:
        found: the features, 512 each, of `<name>` and `<name>_flip`.
        truth: those of the other network.
        faces: the names.
    """
    pairs = np.stack(np.triu_indices(len(faces), 1), axis=1).ravel()
    ours, theirs = (
        pair_distances(add_flipped_by_name(features, faces)[pairs]).astype(np.float64)
        for features in (found, truth)
    )
    middle = len(theirs) // 2
    threshold = np.sort(theirs)[middle - 1 : middle + 1].mean()  # between two distances, never one of them
    return "accuracy", float(((ours < threshold) == (theirs < threshold)).mean())


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
