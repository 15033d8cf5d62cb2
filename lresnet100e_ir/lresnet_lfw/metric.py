"""Face verification on pairs: accuracy over ten folds as InsightFace measures it, and figures of the ROC curve."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError

Array = NDArray[Any]
FOLDS = 10
THRESHOLDS = np.arange(0, 4, 0.01)
FALSE_ACCEPTS = 1e-3


@dataclass(frozen=True)
class Verification:
    """Accuracy and best threshold of each fold, 10 each; rates at the 400 thresholds, averaged over the folds.

    `folds` has the fold of each pair.
    """

    accuracies: Array
    best_thresholds: Array
    tpr: Array
    fpr: Array
    folds: Array

    @property
    def accuracy(self) -> float:
        """The mean over the folds: the published figure."""
        return float(self.accuracies.mean())

    @property
    def best_threshold(self) -> float:
        """The mean over the folds."""
        return float(self.best_thresholds.mean())


def check_count(pairs: int) -> None:
    """Refuse fewer pairs than there are folds."""
    if pairs < FOLDS:
        raise GuideError(
            f"expected at least {FOLDS} pairs, one for each fold, found {pairs}; take more of them."
        )


def verify(distances: Array, same: Array) -> Verification:
    """Measure how well a threshold on the distance tells pairs of the same person, over ten folds.

    A pair is said to be the same person's if its distance is below the threshold. Each fold is measured at the
    threshold, the smallest of equals, that is best on the other nine. Folds are contiguous and not shuffled, as
    scikit-learn's KFold makes them. Source: `evaluate` of InsightFace's verification script.

    Args:
        distances: N squared distances.
        same: N bool.
    """
    check_count(len(same))
    folds = np.array_split(np.arange(len(same)), FOLDS)
    sizes = np.array([len(fold) for fold in folds])
    # How many pairs of a fold, same and different, are below each threshold: 10x400.
    accepted = np.array([_below(distances[fold][same[fold]]) for fold in folds])
    false_accepted = np.array([_below(distances[fold][~same[fold]]) for fold in folds])
    positives = np.array([[same[fold].sum()] for fold in folds])
    negatives = sizes[:, None] - positives

    correct = accepted + negatives - false_accepted
    in_training = correct.sum(axis=0) - correct
    best = in_training.argmax(axis=1)  # the first of equals
    return Verification(
        accuracies=correct[np.arange(FOLDS), best] / sizes,
        best_thresholds=THRESHOLDS[best],
        tpr=(accepted / np.maximum(positives, 1)).mean(axis=0),
        fpr=(false_accepted / np.maximum(negatives, 1)).mean(axis=0),
        folds=np.repeat(np.arange(FOLDS), sizes),
    )


def _below(distances: Array) -> Array:
    """Count the distances below each threshold."""
    return np.searchsorted(np.sort(distances.astype(np.float64)), THRESHOLDS)


def roc_curve(distances: Array, same: Array) -> tuple[Array, Array]:
    """Return false and true positive rates, from 0 to 1, of pairs of both kinds; arguments as for `roc_figures`."""
    order = np.argsort(distances)
    ascending = distances[order]
    last = np.append(np.flatnonzero(ascending[1:] != ascending[:-1]), len(order) - 1)  # of equal distances
    accepted = np.cumsum(same[order])[last]  # of the same person's pairs, up to each distance
    tpr = np.append(0, accepted) / same.sum()
    fpr = np.append(0, 1 + last - accepted) / (~same).sum()
    return fpr, tpr


def roc_figures(distances: Array, same: Array) -> dict[str, float]:
    """Return the area under the ROC curve, the equal error rate, and the true accept rate at 1e-3 false accepts.

    The curve has a point for each distance that occurs, as scikit-learn's `roc_curve` and `auc` have it. NaN where all
    pairs are of one kind.

    Args:
        distances: N squared distances.
        same: N bool.
    """
    names = ("AUC", "EER", f"TAR at FAR {FALSE_ACCEPTS:g}")
    if same.all() or not same.any():
        return dict.fromkeys(names, math.nan)
    fpr, tpr = roc_curve(distances, same)
    area = (np.diff(fpr) * (tpr[1:] + tpr[:-1]) / 2).sum()
    crossing = np.abs(1 - tpr - fpr).argmin()
    equal_error = (fpr[crossing] + 1 - tpr[crossing]) / 2
    true_accepts = tpr[fpr <= FALSE_ACCEPTS].max()
    return dict(zip(names, map(float, (area, equal_error, true_accepts)), strict=True))
