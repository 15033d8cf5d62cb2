"""The evaluation step by step, as Market-1501's description has it: slow, and nothing shared with the package."""

from __future__ import annotations

import numpy as np


def evaluate(query, gallery, asked, found):
    """Return mean average precision, CMC(1) to CMC(100) and the queries counted; arguments as `metric.evaluate`."""
    from sklearn.metrics import average_precision_score

    precisions, hits = [], np.zeros(100)
    for features, wanted in zip(query.astype(np.float64), asked.values(), strict=True):
        distances = ((gallery.astype(np.float64) - features) ** 2).sum(axis=1)
        rows = [
            (distance, position, picture.person == wanted.person)
            for position, (distance, picture) in enumerate(zip(distances, found.values(), strict=True))
            if (picture.person, picture.camera) != (wanted.person, wanted.camera)
        ]
        correct = [match for _, _, match in rows]
        if not any(correct):
            continue
        precisions.append(average_precision_score(correct, [-distance for distance, _, _ in rows]))
        rank = [match for _, _, match in sorted(rows)].index(True)
        hits[rank:] += 1
    return float(np.mean(precisions)), hits / len(precisions), len(precisions)
