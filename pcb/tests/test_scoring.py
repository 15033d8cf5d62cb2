"""The metric with another network's nearest pictures as the right ones."""

from __future__ import annotations

import numpy as np
import pytest

from pcb_market.postprocessing import SIZE
from pcb_market.scoring import NEAREST, against


def drawn(count, seed):
    """Features of so many pictures, 12288 each, by name."""
    rows = np.random.default_rng(seed).random((count, SIZE)).astype(np.float32)
    return {f"picture {number}": row for number, row in enumerate(rows)}


def ranked(features, query, queries):
    """The gallery's names, the nearest to a query first."""
    names = list(features)
    lengths = {
        name: ((features[name].astype(float) - features[names[query]]) ** 2).sum() for name in names[queries:]
    }
    return sorted(lengths, key=lengths.get)


@pytest.mark.parametrize(("pictures", "queries"), [(27, 6), (10, 2), (5, 1)])
@pytest.mark.parametrize("noise", [0, 0.1, 1, 10])
def test_another_networks_nearest_pictures_are_the_truth(pictures, queries, noise):
    truth, other = drawn(pictures, 0), drawn(pictures, 1)
    found = {name: truth[name] + np.float32(noise) * other[name] for name in truth}
    precisions = []
    for query in range(queries):
        right = ranked(truth, query, queries)[:NEAREST]
        ranks = sorted(ranked(found, query, queries).index(name) for name in right)
        precisions.append(np.mean([(number + 1) / (rank + 1) for number, rank in enumerate(ranks)]))
    name, value = against(found, truth, queries)
    assert (name, value) == ("mAP", pytest.approx(np.mean(precisions), abs=1e-12))
    assert noise or value == 1
    assert noise < 10 or pictures < 27 or value < 0.9
