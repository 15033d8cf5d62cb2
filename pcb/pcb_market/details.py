"""What the report shows of Market-1501's figures beyond them: match curve, precisions, distances, queries that went wrong."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from common.facts import Accuracy
from common.report.details import (
    Case,
    Cases,
    Details,
    Line,
    Mark,
    Plot,
    Shade,
    Shown,
    Total,
    Which,
    chosen,
    line,
)
from pcb_market.market import Market, Picture
from pcb_market.metric import BEST, Ranking, Scores

Array = NDArray[Any]
COLUMNS = (
    *("query", "person", "camera", "average precision", "rank of the first match"),
    *("distance of the nearest match", "distance of the nearest other person", "nearest", "cost in mAP"),
)
FAILED = "failed queries"
LATE = "queries with late matches"
COST = (
    "By how much mean average precision would be higher if all matches of this query came first: what its average precision "
    "lacks of 1, divided by the number of queries. A failed query is one whose nearest picture is of another person; with late "
    "matches the first is right, and others of the person come behind other persons. Pictures of the person from the query's own camera are "
    "ignored, as Market-1501 has it. Below the pictures stand their ranks and squared distances."
)
_RANKS = 50  # of the match curve that are drawn
_BINS = 20  # of average precisions


def details(data: Market, scores: Scores, accuracy: Accuracy | None, worst: int) -> Details:
    """Return what the report shows.

    Args:
        data: queries and gallery.
        scores: what `metric.evaluate` returned of them.
        accuracy: what is published, where it is to be shown.
        worst: how many of the worst cases of each kind there are to be.
    """
    costs = (1 - scores.precisions) / scores.counted
    asked, found = list(data.query.values()), list(data.gallery.values())
    cases: list[Case] = []
    kinds: dict[str, Total] = {}
    failed = scores.ranks > 0
    for kind, of_kind in ((FAILED, failed), (LATE, ~failed & (scores.precisions < 1))):
        own = np.flatnonzero(of_kind)
        own = own[np.argsort(-scores.ranks[own], kind="stable")]  # for those of equal costs
        kinds[kind] = Total(len(own), float(costs[own].sum()))
        for place, which in chosen(costs[own].tolist(), worst):
            number = own[place]
            query = asked[scores.queries[number]]
            cases.append(_case(scores, number, query, found, kind, which, float(costs[number])))
    return Details(
        plots=(_matches(scores, len(found), accuracy), _precisions(scores), _distances(scores)),
        cases=Cases("mAP", COST, kinds, tuple(cases)),
        columns=COLUMNS,
        rows=[
            (
                query.path.name,
                query.person,
                query.camera + 1,
                float(scores.precisions[number]),
                int(scores.ranks[number]) + 1,
                ranking.match,
                ranking.other if np.isfinite(ranking.other) else None,
                found[ranking.places[ranking.counted][0]].path.name,
                float(costs[number]),
            )
            for number, (query, ranking) in enumerate(
                zip((asked[place] for place in scores.queries), scores.rankings, strict=True)
            )
        ],
    )


def _case(
    scores: Scores, number: int, query: Picture, found: list[Picture], kind: str, which: Which, cost: float
) -> Case:
    return Case(
        kind,
        which,
        query.path.name,
        (
            Shown(_path(query), caption=f"query: person {query.person}, camera {query.camera + 1}"),
            *_ranked(query, scores.rankings[number], found),
        ),
        f"average precision {scores.precisions[number]:.4f}, first match at rank {scores.ranks[number] + 1}",
        cost=cost,
    )


def _ranked(query: Picture, ranking: Ranking, found: list[Picture]) -> list[Shown]:
    """Return the ten nearest pictures, also those that are ignored, which have no rank."""
    shown = []
    ranks = np.cumsum(ranking.counted)
    for place, distance, counted, rank in list(
        zip(ranking.places, ranking.distances, ranking.counted, ranks, strict=True)
    )[:BEST]:
        picture = found[place]
        mark: Literal["", "right", "wrong"] = ""
        told = "ignored: the same camera"
        if counted and picture.person == query.person:
            mark, told = "right", f"{rank}: right; camera {picture.camera + 1}"
        elif counted:
            who = f"person {picture.person}" if picture.person else "a distractor"
            mark, told = "wrong", f"{rank}: wrong; {who}, camera {picture.camera + 1}"
        shown.append(Shown(_path(picture), caption=f"{told}; {distance:.3f}", mark=mark))
    return shown


def _path(picture: Picture) -> str:
    return str(picture.path.absolute())


def _matches(scores: Scores, gallery: int, accuracy: Accuracy | None) -> Plot:
    ranks = np.arange(1, min(_RANKS, gallery) + 1)
    shares = scores.cmc[: len(ranks)]
    published = accuracy.published if accuracy else {}
    marks = [
        Mark("published", x=float(name.removeprefix("top-")), y=value) for name, value in published.items()
    ]
    lowest = min([0.9, float(shares[0]), *published.values()])
    room = 0.06 * (1 - lowest) + 0.002
    return Plot(
        "cmc",
        "Matches by rank (CMC)",
        "rank",
        "queries with a match up to the rank",
        (line("measured", ranks, shares, "main"),),
        tuple(marks),
        note="The share of the queries for which one of so many nearest pictures shows the person: top-1 at rank 1.",
        x_range=(0.3, _RANKS + 0.5),
        y_range=(max(lowest - room, 0), 1 + room),
    )


def _precisions(scores: Scores) -> Plot:
    edges = np.linspace(0, 1, _BINS + 1)
    return Plot(
        "precisions",
        "Average precision of the queries",
        "average precision",
        f"queries per {1 / _BINS:g}",
        (_histogram("queries", scores.precisions, edges, "main"),),
        (Mark("mean: mAP", x=scores.mean_ap),),
        note="1 is a query whose matches all come before any other person.",
        x_range=(0, 1),
    )


def _distances(scores: Scores) -> Plot:
    match = np.array([ranking.match for ranking in scores.rankings])
    other = np.array([ranking.other for ranking in scores.rankings])
    other = other[np.isfinite(other)]
    every = np.concatenate((match, other))
    edges = np.histogram_bin_edges(every, 60)
    return Plot(
        "distances",
        "Nearest pictures of the queries",
        "squared distance",
        f"queries per {edges[1] - edges[0]:.3g}",
        (
            _histogram("nearest of another person", other, edges, "second"),
            _histogram("nearest match", match, edges, "main"),
        ),
        note="Of each query the nearest picture of the person, from another camera, and the nearest of another person. A query fails "
        "where the latter is nearer.",
    )


def _histogram(label: str, values: Array, edges: Array, shade: Shade) -> Line:
    return line(label, edges, np.append(np.histogram(values, edges)[0], 0), shade, "steps")
