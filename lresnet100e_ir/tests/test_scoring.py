"""The figures and the table of pairs that are written for given embeddings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lresnet_lfw import metric
from lresnet_lfw.postprocessing import pair_distances
from lresnet_lfw.scoring import against, score


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


def drawn(count, seed):
    """Features of so many faces and of their mirror images, 512 each, by name."""
    rows = np.random.default_rng(seed).standard_normal((2, count, 512), np.float32)
    return {f"{i}{end}": rows[k, i] for k, end in enumerate(("", "_flip")) for i in range(count)}


def distances_of(features, count):
    """The squared distances of all pairs of faces, one by one."""
    sums = [features[str(i)].astype(float) + features[f"{i}_flip"] for i in range(count)]
    unit = [row / np.linalg.norm(row) for row in sums]
    return np.array([((a - b) ** 2).sum() for a, b in itertools.combinations(unit, 2)])


@pytest.mark.parametrize("count", [3, 7, 20])
@pytest.mark.parametrize("noise", [0, 0.1, 0.5, 3])
def test_another_networks_decisions_are_the_truth(count, noise):
    truth, other = drawn(count, 0), drawn(count, 1)
    found = {name: truth[name] + np.float32(noise) * other[name] for name in truth}
    theirs, ours = distances_of(truth, count), distances_of(found, count)
    below, above = np.sort(theirs)[len(theirs) // 2 - 1 :][:2]
    wanted = np.mean((ours < (below + above) / 2) == (theirs < (below + above) / 2))
    assert against(found, truth, [str(i) for i in range(count)]) == ("accuracy", wanted)
    assert noise or wanted == 1
    assert noise < 3 or count < 20 or wanted < 0.9
