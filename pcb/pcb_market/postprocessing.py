"""From the network's features to distances between pictures, as the guide's postprocessing script computes them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
SIZE = 2048 * 6


def matrix(features: Iterable[tuple[str, Float32]], count: int) -> Float32:
    """Return the features of `count` pictures, which come one by one, as the rows of one matrix: Nx12288.

    Market-1501's take 948 MB; each is held in the matrix alone.
    """
    rows = np.empty((count, SIZE), np.float32)
    for row, (_, found) in zip(rows, features, strict=True):
        row[:] = found
    return rows


def squared_distances(query: Float32, gallery: Float32, lengths: Float32) -> Float32:
    """Return |x|^2 + |y|^2 - 2 x.y for all rows x and y: QxD and GxD to QxG.

    Args:
        query: QxD.
        gallery: GxD.
        lengths: the squared lengths of the gallery's rows, G.
    """
    distances: Float32 = query @ gallery.T
    for row, length in zip(distances, squared_lengths(query), strict=True):  # no second matrix is held
        np.multiply(row, -2, out=row)
        np.add(row, length + lengths, out=row)
    return distances


def squared_lengths(features: Float32) -> Float32:
    """Return the squared lengths of rows: NxD to N."""
    lengths: Float32 = np.einsum("nd,nd->n", features, features)
    return lengths
