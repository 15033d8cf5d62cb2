"""compare/differences.py: the figures against a plain computation in float64, whatever the batches are."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ascend_tools.compare import differences
from ascend_tools.compare.differences import Difference, RootMeanSquare


def of(pairs, kind=Difference):
    difference = kind()
    for found, wanted in pairs:
        difference.add(np.asarray(found, np.float32), np.asarray(wanted, np.float32))
    return difference.figures() if kind is Difference else difference.value


@given(st.integers(0, 2**32), st.integers(1, 5), st.floats(-1e4, 1e4), st.floats(1, 1e3))
def test_the_figures_are_those_of_a_plain_computation(seed, batches, offset, spread):
    random = np.random.default_rng(seed)
    wanted = (offset + spread * random.standard_normal((batches, 3, 7))).astype(np.float32)
    found = (wanted + 0.01 * spread * random.standard_normal(wanted.shape)).astype(np.float32)
    figures = of(zip(found, wanted, strict=True))
    ours, theirs = found.astype(np.float64).ravel(), wanted.astype(np.float64).ravel()
    apart = np.abs(ours - theirs)
    assert figures.elements == apart.size
    assert figures.scale == pytest.approx(theirs.std(), rel=1e-9)
    assert figures.largest == apart.max()
    assert figures.mean == pytest.approx(apart.mean(), rel=1e-12)
    assert figures.rms == pytest.approx(np.sqrt((apart**2).mean()), rel=1e-9)
    assert figures.size == pytest.approx(np.sqrt((theirs**2).mean()), rel=1e-9)
    assert figures.apart == pytest.approx(figures.rms / figures.size, rel=1e-9)
    assert figures.relative(figures.mean) == pytest.approx(figures.mean / theirs.std(), rel=1e-9)
    cosine = ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs)
    assert figures.cosine == pytest.approx(cosine, rel=1e-9)
    assert (figures.infinite, figures.nan, figures.saturated) == (0, 0, 0)
    assert of(zip(found, wanted, strict=True), RootMeanSquare) == pytest.approx(figures.rms, rel=1e-12)


def test_a_tensor_beside_itself_differs_by_nothing():
    values = np.linspace(-3, 5, 100)
    figures = of([(values, values)])
    assert (figures.largest, figures.mean, figures.apart) == (0, 0, 0)
    assert figures.cosine == pytest.approx(1)


def test_large_tensors_are_added_up_in_chunks(monkeypatch):
    random = np.random.default_rng(1)
    pair = random.standard_normal((2, 1000)).astype(np.float32)
    whole = of([pair])
    monkeypatch.setattr(differences, "_CHUNK", 7)
    assert of([pair]).rms == pytest.approx(whole.rms)
    assert of([pair]).scale == pytest.approx(whole.scale)
    assert of([pair], RootMeanSquare) == pytest.approx(whole.rms)


def test_what_is_no_longer_finite_is_counted_and_the_rest_compared():
    figures = of([([np.inf, -np.inf, np.nan, 2.0, 5.0], [1.0, 2.0, 3.0, 1.0, 5.0])])
    assert (figures.infinite, figures.nan, figures.saturated) == (2, 1, 0)
    assert (figures.largest, figures.rms, figures.apart) == (math.inf, math.inf, math.inf)
    assert figures.mean == 0.5
    assert of([([np.inf, 1.0], [1.0, 1.0])], RootMeanSquare) == math.inf


def test_what_is_not_finite_in_float32_does_not_count():
    figures = of([([-np.inf, np.nan, 1.5], [-np.inf, 0.0 - np.inf, 1.0])])
    assert (figures.infinite, figures.nan) == (0, 0)
    assert (figures.largest, figures.rms) == (0.5, 0.5)
    assert of([([-np.inf, 1.5], [-np.inf, 1.0])], RootMeanSquare) == 0.5
    assert of([([1.0], [np.inf])]).rms == 0


def test_what_saturates_is_counted_where_it_was_another_number():
    figures = of([([65504, -65504, 65504, 65504], [1e5, -7e4, 65504, 12])])
    assert (figures.saturated, figures.infinite, figures.nan) == (3, 0, 0)


@pytest.mark.parametrize(
    ("wanted", "found", "scale", "apart"),
    [
        ([0.1, 0.1, 0.1], [0.2, 0.2, 0.2], 0.1, 1),  # of values that are all the same, their size
        ([0.0, 0.0], [0.0, 0.0], 0, 0),
        ([0.0, 0.0], [0.0, 1.0], 0, math.inf),
    ],
)
def test_a_tensor_without_spread(wanted, found, scale, apart):
    figures = of([(found, wanted)])
    assert figures.scale == pytest.approx(scale)
    assert figures.apart == pytest.approx(apart, rel=1e-6)


def test_other_shapes_are_told():
    figures = of([(np.ones((2, 3)), np.ones((2, 4)))])
    assert figures.shapes == ((2, 3), (2, 4))
    assert (figures.elements, figures.apart) == (0, math.inf)
    assert of([(np.ones(3), np.ones(4))], RootMeanSquare) == math.inf


def test_an_empty_tensor_has_no_difference():
    figures = of([(np.ones((0, 4)), np.ones((0, 4)))])
    assert (figures.elements, figures.rms, figures.cosine) == (0, 0, None)
