"""Exact search: the rows that are nearest to one, of any number of them, in the memory of a few blocks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from common import cli
from common.errors import GuideError
from common.gallery.stored import Block, Stored
from common.threads import map_threads

Float32 = NDArray[np.float32]
WIDTH = 4096  # numbers that are summed on end: einsum itself would part longer rows, each in another place


class Nearest(NamedTuple):
    """The nearest rows, from the nearest on: their numbers, int64, and squared distances, float32."""

    rows: NDArray[np.int64]
    distances: Float32


def squared_distances(rows: Float32, query: Float32) -> Float32:
    """Return the squared distances of rows, NxD, to a query, D: N float32.

    A row's is the same to the last bit whatever rows stand beside it; of equal rows it is 0.
    """
    difference = rows - query
    total = np.zeros(len(rows), np.float32)
    for start in range(0, rows.shape[1], WIDTH):
        part = difference[:, start : start + WIDTH]
        total += np.einsum("nd,nd->n", part, part)
    return total


def nearest(stored: Stored, query: Float32, top: int, workers: int) -> Nearest:
    """Return the `top` rows that are nearest to a query, all if there are fewer; of equally near ones the first.

    Args:
        stored: the features, NxD; a row that is not finite is an error.
        query: D float32.
        top: how many.
        workers: how many threads read and compute.
    """
    if query.shape != (stored.size,):
        raise GuideError(f"{stored.path}: has rows of {stored.size} numbers, the query has {query.size}.")

    def distances_of(block: Block) -> Float32:
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            found = np.concatenate([squared_distances(rows, query) for rows in stored.read(block)])
        if not np.isfinite(found).all():
            row = block.first + int(np.isfinite(found).argmin())
            raise GuideError(f"{stored.path}: damaged: row {row} holds what is no number; make it again.")
        return found

    best = Nearest(np.empty(0, np.int64), np.empty(0, np.float32))
    computed = map_threads(distances_of, stored.blocks, workers)
    for block, found in zip(
        cli.progress(stored.blocks, len(stored.blocks), "search", "block"), computed, strict=True
    ):
        best = merge(best, block.first, found, top)
    return best


def merge(best: Nearest, first: int, distances: Float32, top: int) -> Nearest:
    """Return the nearest of those that were found, and of the rows from number `first` on, which come after them."""
    if len(best.rows) >= top:
        (rows,) = np.nonzero(distances < best.distances[-1])
        if not len(rows):
            return best
    elif len(distances) > top:  # what is as near as the last of the nearest may be one of them
        rows = np.flatnonzero(distances <= np.partition(distances, top - 1)[top - 1])
    else:
        rows = np.arange(len(distances))
    numbers = np.concatenate((best.rows, rows + first))
    values = np.concatenate((best.distances, distances[rows]))
    order = np.argsort(values, kind="stable")[:top]
    return Nearest(numbers[order], values[order])
