"""Features in one matrix, and distances between them."""

from __future__ import annotations

import numpy as np

from pcb_market.postprocessing import SIZE, matrix, squared_distances, squared_lengths


def test_features_become_the_rows_of_a_matrix():
    rows = np.random.default_rng(0).random((3, SIZE), np.float32)
    np.testing.assert_array_equal(matrix(zip("abc", rows, strict=True), 3), rows)


def test_squared_distances_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    query, gallery = rng.random((5, 64), np.float32), rng.random((9, 64), np.float32)
    wanted = ((query[:, None].astype(np.float64) - gallery) ** 2).sum(axis=2)
    found = squared_distances(query, gallery, squared_lengths(gallery))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_squared_distances_are_those_of_whole_matrices_to_the_last_bit():
    rng = np.random.default_rng(1)
    query, gallery = rng.random((50, 300), np.float32), rng.random((400, 300), np.float32)
    lengths = squared_lengths(gallery)
    wanted = query @ gallery.T
    wanted *= -2
    wanted += squared_lengths(query)[:, None] + lengths
    np.testing.assert_array_equal(squared_distances(query, gallery, lengths), wanted)
