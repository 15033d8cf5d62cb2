"""What Market-1501's figures are computed of, query by query; see `common.report.units`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from common.report.units import Units
from pcb_market.market import Market
from pcb_market.metric import Scores


def units_of(data: Market, scores: Scores, tops: Sequence[int]) -> Units:
    """Return the average precision and the rank of the first match of each query that is counted."""
    names = [picture.path.name for picture in data.query.values()]
    return Units(
        "queries",
        (*(f"top-{k}" for k in tops), "mAP"),
        [names[number] for number in scores.queries.tolist()],
        {
            "precision": scores.precisions,
            "rank": scores.ranks.astype(np.int32),
            "tops": np.array(tops, np.int32),
        },
    )
