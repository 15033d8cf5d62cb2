"""Person re-identification: mean average precision and the cumulative match curve, as Market-1501 defines them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import progress
from common.errors import GuideError
from pcb_market.market import Pictures
from pcb_market.postprocessing import squared_distances, squared_lengths

Array = NDArray[Any]
Float32 = NDArray[np.float32]
BLOCK = 2**26  # distances held at once, 256 MiB: all of Market-1501's, a part of a larger gallery's
MANY = 200  # matches, from which on sorting is faster than counting for each of them
RANKS = 100
BEST = 10


@dataclass(frozen=True)
class Ranking:
    """The gallery pictures that are nearest to a query, in order, until BEST of them count.

    Attributes:
        places: in the gallery.
        distances: squared ones.
        counted: False for those that are left out: of the same person from the same camera.
        match: the distance of the nearest match.
        other: the distance of the nearest picture of another person; infinite where there is none.
    """

    places: Array
    distances: Array
    counted: Array
    match: float
    other: float


@dataclass(frozen=True)
class Scores:
    """Mean average precision and the match curve, CMC(1) to CMC(100), over the queries that have a match to find.

    Of each of these: its place among all `queries`, its average precision, the rank of its first match, from 0, and what
    is nearest to it.
    """

    mean_ap: float
    cmc: Array
    counted: int
    queries: Array
    precisions: Array
    ranks: Array
    rankings: Sequence[Ranking]

    def top(self, k: int) -> float:
        """Return the share of queries whose first match is among the k nearest."""
        return float(self.cmc[k - 1])


def evaluate(query: Float32, gallery: Float32, asked: Pictures, found: Pictures) -> Scores:
    """Look for each query in the gallery.

    Gallery pictures of the same person from the same camera are left out of the query's ranking. A query without a
    picture of the person from another camera is not counted. Of gallery pictures at the same distance, the first in
    the data set's order ranks first in the match curve; in the average precision they are one step, as in
    scikit-learn's `average_precision_score`.

    Args:
        query: the queries' features, QxD, in the order of `asked`.
        gallery: the gallery's features, GxD, in the order of `found`.
        asked: the query pictures.
        found: the gallery pictures.
    """
    cameras = np.array([picture.camera for picture in found.values()])
    people = np.array([picture.person for picture in found.values()])
    members = {person: np.flatnonzero(people == person) for person in np.unique(people).tolist()}
    lengths = squared_lengths(gallery)
    queries, precisions, ranks, rankings = [], [], [], []
    pictures = list(enumerate(asked.values()))
    count = max(1, BLOCK // len(gallery))
    blocks = range(0, len(query), count)
    for start in progress(blocks, len(blocks), "score", "block"):
        distances = squared_distances(query[start : start + count], gallery, lengths)
        for row, (number, picture) in zip(distances, pictures[start : start + count], strict=True):
            same = members.get(picture.person, np.empty(0, int))
            elsewhere = cameras[same] != picture.camera
            if elsewhere.any():
                left_out, matches = same[~elsewhere], same[elsewhere]
                apart = row[left_out]
                row[left_out] = np.inf
                precision, rank = query_scores(row, matches)
                queries.append(number)
                precisions.append(precision)
                ranks.append(rank)
                rankings.append(_ranking(row, matches, left_out, apart))
    if not ranks:
        raise GuideError(
            "no query has a picture of the same person from another camera in the gallery; nothing can be measured."
        )
    cmc = np.bincount(ranks, minlength=RANKS)[:RANKS].cumsum() / len(ranks)
    columns = (np.array(queries), np.array(precisions), np.array(ranks))
    return Scores(float(np.mean(precisions)), cmc, len(ranks), *columns, rankings)


def query_scores(distances: Float32, matches: Array) -> tuple[float, int]:
    """Return a query's average precision and the rank, from 0, of its first match.

    Only what is nearer than the last match is looked at, and sorted only where there are many matches.

    Args:
        distances: from the query to the gallery, G; infinite for what is left out.
        matches: the indices of the matches, ascending, at least one.
    """
    wanted = distances[matches]
    first = matches[wanted.argmin()]
    wanted.sort()
    near = distances[distances <= wanted[-1]]
    # How many are at most as far as each match: of the whole gallery, and of the matches alone.
    if len(wanted) > MANY:
        near.sort()
        ranked = np.searchsorted(near, wanted, side="right")
    else:
        ranked = np.array([np.count_nonzero(near <= distance) for distance in wanted])
    correct = np.searchsorted(wanted, wanted, side="right")
    nearer = np.count_nonzero(near < wanted[0]) + np.count_nonzero(distances[:first] == wanted[0])
    return float((correct / ranked).mean()), int(nearer)


def _ranking(distances: Float32, matches: Array, left_out: Array, apart: Float32) -> Ranking:
    """Return what is nearest to a query; of equally near pictures the first in the data set's order comes first.

    Args:
        distances: from the query to the gallery, G; infinite for what is left out. The matches' are overwritten.
        matches: the indices of the matches, at least one.
        left_out: the indices of what is left out.
        apart: its distances.
    """
    last = min(BEST, len(distances) - len(left_out))
    limit = np.partition(distances, last - 1)[last - 1]
    near = np.flatnonzero(distances <= limit)
    near = near[np.argsort(distances[near], kind="stable")][:last]
    among = apart <= limit
    places = np.concatenate((near, left_out[among]))
    lengths = np.concatenate((distances[near], apart[among]))
    order = np.lexsort((places, lengths))
    match = float(distances[matches].min())
    distances[matches] = np.inf
    return Ranking(places[order], lengths[order], order < last, match, float(distances.min()))
