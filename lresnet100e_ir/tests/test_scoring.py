"""The figures and the table of pairs that are written for given embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from lresnet_lfw import metric
from lresnet_lfw.postprocessing import pair_distances
from lresnet_lfw.scoring import score


@pytest.mark.parametrize("count", [10, 23, 1234])
def test_pairs_csv_has_the_lines_that_are_formatted_one_by_one(count):
    rng = np.random.default_rng(count)
    embeddings = rng.standard_normal((2 * count, 512), np.float32)
    embeddings[1::2] += embeddings[0::2] * rng.choice([0, 1, 30, 1e4], (count, 1)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    same = rng.random(count) < 0.5
    distances = pair_distances(embeddings)
    verification = metric.verify(distances, same)
    lines = ["pair,same,distance,fold,threshold,correct"]
    for i in range(count):
        fold = verification.folds[i]
        threshold = verification.best_thresholds[fold]
        correct = (distances[i].astype(np.float64) < threshold) == same[i]
        lines.append(f"{i},{same[i]:d},{distances[i]:.9g},{fold + 1},{threshold:.2f},{correct:d}")
    assert score(same, embeddings).files["pairs.csv"].split("\n") == [*lines, ""]
