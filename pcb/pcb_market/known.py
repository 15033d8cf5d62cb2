"""The known answers of PCB, see `common.compare.known`: made-up outputs and predictions, by formula."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.compare.known import Known
from pcb_market.market import Market, Picture
from pcb_market.postprocessing import SIZE, matrix, squared_distances, squared_lengths
from pcb_market.scoring import score
from pcb_market.task import TASK

Array = NDArray[Any]
QUERIES, GALLERY, PERSONS, CAMERAS = 24, 60, 8, 3
FEW = 6  # of a picture's features are recorded
MOST = 30  # the largest of the whole numbers


def results() -> Mapping[str, Array]:
    """Return the distances between two queries and a gallery of four with random features, and the features' first values."""
    random = np.random.Generator(np.random.PCG64(0)).random
    outputs = [random((2048, 6, 1)).astype(np.float32) for _ in range(6)]
    features = matrix(((str(k), TASK.finish([output], None)) for k, output in enumerate(outputs)), 6)
    distances = squared_distances(features[:2], features[2:], squared_lengths(features[2:]))
    return {"features": features[:, :FEW], "distances": distances}


def figures() -> Mapping[str, float]:
    """Return Market-1501's figures of random features, more or less like those of the person that a picture shows.

    They are whole numbers, whose products float32 adds up without rounding: no order depends on the processor.
    """
    random = np.random.Generator(np.random.PCG64(0)).random
    persons = random((PERSONS + 1, SIZE))
    query = {f"q{k}": Picture(Path(f"q{k}.jpg"), 1 + k % PERSONS, k % CAMERAS) for k in range(QUERIES)}
    gallery = {
        f"g{k}": Picture(Path(f"g{k}.jpg"), k * 5 % (PERSONS + 1), k // 4 % CAMERAS) for k in range(GALLERY)
    }
    blurred, clear = [], []
    for pictures in (query, gallery):
        shown = persons[[picture.person for picture in pictures.values()]]
        # So little that few are first: a match curve off by one gives other figures at each of its ranks.
        share = 0.02 + 0.03 * (np.arange(len(pictures)) % 7)[:, None]
        blurred.append(np.rint(MOST * (share * shown + (1 - share) * random(shown.shape))).astype(np.float32))
        clear.append(np.rint(MOST * shown).astype(np.float32))
    data = Market(query, gallery, {})
    found, right = score(data, *blurred).metrics, score(data, *clear).metrics
    return {
        **{name: float(found[name] or 0) for name in ("top-1", "top-5", "top-10", "mAP", "queries counted")},
        "mAP of the truth itself": float(right["mAP"] or 0),
    }


KNOWN = Known(Path(__file__).with_name("known.json"), results, figures)
