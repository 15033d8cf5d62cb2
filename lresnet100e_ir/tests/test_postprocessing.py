"""From the network's outputs to distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.errors import GuideError
from lresnet_lfw.postprocessing import add_flipped, add_flipped_by_name, pair_distances

rows = arrays(np.float32, (4, 512), elements=st.floats(-1, 1, width=32))


@given(rows, rows)
def test_both_views_are_added_and_scaled_to_length_1(features, mirrored):
    total = features.astype(np.float64) + mirrored
    lengths = np.sqrt((total**2).sum(axis=1))
    if lengths.min() < 1e-3:
        return
    found = add_flipped(features, mirrored)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(features.astype(np.float64) + mirrored, total)  # left as they were
    np.testing.assert_allclose(found, total / lengths[:, None], rtol=0, atol=1e-5)


def test_embeddings_are_the_reference_ones(cases):
    for name in ("astronaut", "coffee", "grace_hopper"):
        stored = np.load(cases / f"recipe_{name}.npz")
        np.testing.assert_allclose(
            add_flipped(stored["features"], stored["features_flip"]), stored["tta"], rtol=0, atol=1e-7
        )


@pytest.mark.parametrize("mirrored", [np.zeros(512), -np.ones(512)], ids=["zero", "cancelled"])
def test_an_embedding_of_length_0_is_refused(mirrored):
    features = np.ones((4, 512), np.float32)
    others = features.copy()
    others[2] = mirrored
    features[2] = 0 if not mirrored.any() else 1
    with pytest.raises(GuideError, match="the embedding of face 2 is zero"):
        add_flipped(features, others)


@pytest.mark.parametrize("value", [1e19, 3e38], ids=["its length", "the sum"])
def test_an_embedding_that_float32_cannot_hold_is_refused(value):
    features = np.ones((600, 512), np.float32)
    features[555] = value
    with pytest.raises(GuideError, match="the embedding of face 555 is too long"):
        add_flipped(features, features)


def test_both_views_are_joined_by_name():
    features = dict(zip(("1_flip", "0", "1", "0_flip"), np.eye(4, 512, dtype=np.float32), strict=True))
    found = add_flipped_by_name(features, ["0", "1"])
    np.testing.assert_allclose(found[:, :4], np.array([[0, 1, 0, 1], [1, 0, 1, 0]]) / np.sqrt(2), atol=1e-7)


def test_distances_are_those_of_neighbouring_rows():
    embeddings = np.zeros((6, 512), np.float32)
    embeddings[[0, 1, 2, 4], 0] = 1
    embeddings[3, 1] = 1
    embeddings[5, 0] = -1
    found = pair_distances(embeddings)
    assert found.dtype == np.float32
    assert found.tolist() == [0, 2, 4]


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 1000])
def test_many_pairs_give_what_all_rows_at_once_give_to_the_last_bit(count):
    rng = np.random.default_rng(count)
    features, mirrored = rng.standard_normal((2, 2 * count, 512), np.float32)
    sums = features + mirrored
    embeddings = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    np.testing.assert_array_equal(add_flipped(features, mirrored), embeddings)
    distances = np.square(embeddings[0::2] - embeddings[1::2]).sum(axis=1)
    np.testing.assert_array_equal(pair_distances(embeddings), distances)


def test_the_face_of_length_0_is_told_among_many():
    features = np.ones((2000, 512), np.float32)
    features[1234] = 0
    with pytest.raises(GuideError, match="the embedding of face 1234 is zero"):
        add_flipped(features, features)
