"""What Market-1501's figures are computed of, query by query; see `common.report.units`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.report.units import Units
from pcb_market.market import Market
from pcb_market.metric import Scores


def units_of(data: Market, scores: Scores, tops: Sequence[int]) -> Units:
    """Return the average precision and the rank of the first match of each query that is counted, and what is nearest to it."""
    asked = [picture.path for picture in data.query.values()]
    found = [picture.path for picture in data.gallery.values()]
    people = np.array([picture.person for picture in data.gallery.values()])
    own = np.array([picture.person for picture in data.query.values()])[scores.queries]
    near = [ranking.places[ranking.counted] for ranking in scores.rankings]
    nearest = np.stack([places[: min(map(len, near))] for places in near]).astype(np.int32)
    return Units(
        "queries",
        (*(f"top-{k}" for k in tops), "mAP"),
        [asked[number].name for number in scores.queries.tolist()],
        {
            "precision": scores.precisions,
            "rank": scores.ranks.astype(np.int32),
            "tops": np.array(tops, np.int32),
            "paths": np.array([str(asked[number].absolute()) for number in scores.queries.tolist()], str),
            "gallery": np.array([str(path.absolute()) for path in found], str),
            "nearest": nearest,
            "matches": people[nearest] == own[:, None],
        },
    )
