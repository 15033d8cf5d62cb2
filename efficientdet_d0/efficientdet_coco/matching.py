"""Which detections find which objects of one category, as COCO's evaluation decides it.

Detections take objects by descending score: each the one that it overlaps most of those that are left, at ten limits of
the overlap and for four ranges of the objects' areas. Source: `evaluateImg` of pycocotools, whose decisions these are,
also where overlaps are equal; here many pictures are gone through at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from efficientdet_coco.coco import Objects

Array = NDArray[Any]
LIMITS = np.linspace(0.5, 0.95, 10)  # an overlap of at least these
# All, small, medium, large: the least and the largest area in square pixels, both belonging to the range.
AREAS = np.array([(0, 1e10), (0, 32**2), (32**2, 96**2), (96**2, 1e10)])
PAIRS = 2**18  # of a detection and an object that are looked at at once


@dataclass(frozen=True)
class Matches:
    """What became of the N detections and the M objects of a category, by range of areas and limit of the overlap.

    Attributes:
        right: 4x10xN bool, the detections that take an object in the range.
        ignored: 4x10xN bool, those that count neither way: they take an object out of the range or a crowd, which many may
            take, or they take none and are themselves out of the range.
        taken: 4x10xM bool, the objects that a detection takes.
        first: N int64, the object of any size that a detection takes at the lowest limit, -1 for none.
    """

    right: Array
    ignored: Array
    taken: Array
    first: Array


def match(picture: Array, rank: Array, boxes: Array, objects: Objects) -> Matches:
    """Let detections take objects.

    Args:
        picture: N int64, the detections' pictures, ascending.
        rank: N int64, the place of each one in its picture, counted from 0, by descending score.
        boxes: Nx4 float64, x, y, width, height.
        objects: those of the same category, by ascending picture.
    """
    outside = _outside(objects.area) | objects.crowd
    taken = np.zeros((len(AREAS), len(LIMITS), len(objects.area)), bool)
    right = np.zeros((len(AREAS), len(LIMITS), len(picture)), bool)
    ignored = np.repeat(_outside(boxes[:, 2] * boxes[:, 3])[:, None], len(LIMITS), axis=1)
    first = np.full(len(picture), -1)
    for owner, candidate, shared in _near_pairs(picture, rank, boxes, objects):
        borders = np.flatnonzero(np.diff(rank[owner], prepend=-1, append=-1))
        for start, end in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
            rows = owner[start:end]
            firsts = np.flatnonzero(np.diff(rows, prepend=-1))
            chosen = _choose(candidate[start:end], shared[start:end], firsts, taken, outside, objects.crowd)
            area, limit, place = np.nonzero(chosen >= 0)
            found = chosen[area, limit, place]
            taken[area, limit, found] = True
            row, lost = rows[firsts][place], outside[area, found]
            right[area, limit, row] = ~lost
            ignored[area, limit, row] = lost
            first[rows[firsts]] = chosen[0, 0]
    return Matches(right, ignored, taken, first)


def _outside(area: Array) -> Array:
    """Tell which areas, N, lie outside of the four ranges: 4xN bool."""
    return (area < AREAS[:, :1]) | (area > AREAS[:, 1:])


def _near_pairs(
    picture: Array, rank: Array, boxes: Array, objects: Objects
) -> Iterator[tuple[Array, Array, Array]]:
    """Yield detections and objects that overlap enough for the lowest limit, as indices, with their overlaps.

    They come by rank, then by detection; those of one detection by ascending overlap, of equal ones in the objects'
    order, so that the last one is the best.
    """
    for owner, candidate in pairs(picture, objects.picture):
        shared = overlaps(boxes[owner], objects.boxes[candidate], objects.crowd[candidate])
        near = np.flatnonzero(shared >= LIMITS[0])
        order = near[np.lexsort((shared[near], owner[near], rank[owner[near]]))]
        yield owner[order], candidate[order], shared[order]


def pairs(picture: Array, theirs: Array) -> Iterator[tuple[Array, Array]]:
    """Yield all pairs of a detection and an object of the same picture, as indices, all those of a picture at once."""
    starts, ends = np.searchsorted(theirs, picture), np.searchsorted(theirs, picture, side="right")
    counts = ends - starts
    before = np.cumsum(counts) - counts
    blocks = before[np.searchsorted(picture, picture)] // PAIRS  # that of its picture's first detection
    borders = np.flatnonzero(np.diff(blocks, prepend=-1, append=-1))
    for first, last in zip(borders[:-1].tolist(), borders[1:].tolist(), strict=True):
        repeats = counts[first:last]
        owner = np.repeat(np.arange(first, last), repeats)
        yield owner, starts[owner] + np.arange(len(owner)) - (before[owner] - before[first])


def overlaps(found: Array, truth: Array, crowd: Array) -> Array:
    """Return the overlaps of boxes x, y, width, height, Nx4 each, row by row; of a crowd's, the share of the detection."""
    one, other = found.T, truth.T
    width = np.minimum(one[0] + one[2], other[0] + other[2]) - np.maximum(one[0], other[0])
    height = np.minimum(one[1] + one[3], other[1] + other[3]) - np.maximum(one[1], other[1])
    common = np.maximum(width, 0) * np.maximum(height, 0)
    area = one[2] * one[3]
    union = np.where(crowd, area, area + other[2] * other[3] - common)
    return np.divide(common, union, out=np.zeros_like(common), where=common > 0)


def _choose(
    candidate: Array, shared: Array, firsts: Array, taken: Array, outside: Array, crowd: Array
) -> Array:
    """Return the object that each of some detections of different pictures takes, else -1: 4x10xD int64.

    An object in the range comes before any that is not, however much it overlaps.

    Args:
        candidate: P int64, the objects each one overlaps, the best last.
        shared: P float64, the overlaps.
        firsts: D int64, where the objects of each detection begin.
        taken: 4x10xM bool, the objects that earlier detections took.
        outside: 4xM bool, the objects that do not count.
        crowd: M bool, those that many detections may take.
    """
    free = ~taken[:, :, candidate] | crowd[candidate]
    free &= shared >= LIMITS[:, None]
    count = len(candidate)
    place = np.arange(1, count + 1, dtype=np.int32) + np.where(outside[:, candidate], 0, np.int32(count))
    best = np.maximum.reduceat(np.where(free, place[:, None], 0), firsts, axis=2)
    return np.where(best > 0, candidate[(best - 1) % count], -1)
