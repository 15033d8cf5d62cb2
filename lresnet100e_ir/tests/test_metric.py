"""Ten-fold verification against the original's figures and a plain step-by-step computation."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from lresnet_lfw import metric
from lresnet_lfw.postprocessing import pair_distances
from tests import naive
from tests.conftest import read_json

SEARCH = (Phase.explicit, Phase.reuse, Phase.generate)  # to shrink by this slow an oracle takes minutes
# Many distances lie exactly on a threshold, or where float32 rounds one.
DISTANCE = (
    st.integers(0, 399).map(lambda i: metric.THRESHOLDS[i])
    | st.sampled_from([0.0, 0.25, 0.5, 1.0, 3.99, 4.0])
    | st.floats(0, 4)
)


@st.composite
def pairs(draw, least=10):
    distances = draw(st.lists(DISTANCE, min_size=least, max_size=35))
    same = draw(
        st.lists(st.booleans(), min_size=len(distances), max_size=len(distances))
        | st.sampled_from([[True] * len(distances), [False] * len(distances)])
    )
    return np.array(distances, np.float32), np.array(same)


def reference_set(seed, count):
    """Draw a set of the reference by its recipe: embeddings, and which pairs are the same person's."""
    rs = np.random.RandomState(seed)
    a = rs.standard_normal((count, 512))
    b = rs.standard_normal((count, 512))
    w = rs.uniform(0.45, 1.55, (count, 1))
    same = (np.arange(count) // 30) % 2 == 0
    b[same] = a[same] + w[same] * b[same]
    mix = rs.uniform(0, 0.75, (count, 1))
    b[~same] = mix[~same] * a[~same] + b[~same]
    e = np.empty((2 * count, 512))
    e[0::2] = a
    e[1::2] = b
    e /= np.sqrt((e * e).sum(1, keepdims=True))
    return e.astype(np.float32), same


@pytest.mark.parametrize("name", ["a600", "b247"])
def test_reference_sets_give_the_reference_figures(name, cases):
    facts = read_json(cases / "verification" / "synthetic.json")["sets"][name]
    embeddings, same = reference_set(facts["seed"], facts["pairs"])
    assert hashlib.sha256(embeddings.tobytes()).hexdigest() == facts["embeddings_sha256"]
    distances = pair_distances(embeddings)
    samples = facts["distance_samples"]
    assert distances[: len(samples)].tolist() == pytest.approx(samples, abs=1e-6)

    found = metric.verify(distances, same)
    assert found.accuracies.tolist() == pytest.approx(facts["accuracy"], abs=1e-12)
    assert found.best_thresholds.tolist() == pytest.approx(facts["best_thresholds"], abs=1e-12)
    assert found.accuracy == pytest.approx(facts["accuracy_mean"], abs=1e-12)
    assert found.best_threshold == pytest.approx(facts["best_thresholds_mean"], abs=1e-12)
    assert len(found.tpr) == len(found.fpr) == facts["len"]
    for index, rates in facts["tpr_fpr_at_threshold_index"].items():
        assert [found.tpr[int(index)], found.fpr[int(index)]] == pytest.approx(rates, abs=1e-12)
    assert found.tpr.sum() == pytest.approx(facts["tpr_sum"], abs=1e-9)
    assert found.fpr.sum() == pytest.approx(facts["fpr_sum"], abs=1e-9)
    if name == "b247":  # the original prints all digits
        digits = ("0.8948333333333334", "0.8260000000000002")
        assert (repr(found.accuracy), repr(found.best_threshold)) == digits


@settings(phases=SEARCH)
@given(pairs())
def test_figures_are_those_of_the_step_by_step_computation(drawn):
    distances, same = drawn
    found = metric.verify(distances, same)
    accuracies, best_thresholds, tpr, fpr = naive.verify(distances, same)
    assert found.accuracies.tolist() == pytest.approx(accuracies, abs=1e-12)
    assert found.best_thresholds.tolist() == best_thresholds
    assert found.tpr.tolist() == pytest.approx(tpr, abs=1e-12)
    assert found.fpr.tolist() == pytest.approx(fpr, abs=1e-12)


def test_a_pair_on_the_threshold_is_not_the_same_persons():
    same = np.arange(20) % 2 == 0
    found = metric.verify(np.where(same, 0.25, 0.5), same)
    assert found.accuracy == 1.0
    assert found.best_thresholds.tolist() == [0.26] * 10
    assert (found.tpr[25], found.tpr[26]) == (0.0, 1.0)


def test_folds_are_contiguous_and_the_first_are_larger():
    found = metric.verify(np.zeros(23), np.ones(23, bool))
    assert found.folds.tolist() == sorted(found.folds.tolist())
    assert np.bincount(found.folds).tolist() == [3, 3, 3] + [2] * 7


@pytest.mark.parametrize(
    ("nearer", "farther", "figures"),
    [
        ([0.1, 0.2], [0.3, 0.4], (1.0, 0.0, 1.0)),  # perfect
        ([0.3, 0.4], [0.1, 0.2], (0.0, 1.0, 0.0)),  # the wrong way round
        ([0.5, 0.5], [0.5, 0.5], (0.5, 0.5, 0.0)),  # chance
        ([0.1, 0.2, 0.3, 0.7], [0.6, 0.8, 0.9, 1.0], (0.9375, 0.25, 0.75)),  # one of four on either side
    ],
)
def test_figures_of_the_curve_are_those_made_by_hand(nearer, farther, figures):
    distances = np.array(nearer + farther, np.float32)
    same = np.array([True] * len(nearer) + [False] * len(farther))
    found = metric.roc_figures(distances, same)
    assert list(found) == ["AUC", "EER", "TAR at FAR 0.001"]
    assert list(found.values()) == pytest.approx(figures, abs=1e-12)
    assert all(type(value) is float for value in found.values())


def test_one_false_accept_in_a_thousand_is_allowed():
    distances = np.concatenate((np.full(5, 1.0), [0.5], np.full(999, 2.0)))
    same = np.arange(1005) < 5
    assert metric.roc_figures(distances, same)["TAR at FAR 0.001"] == 1.0
    one_less = np.arange(1004)
    assert metric.roc_figures(distances[one_less], same[one_less])["TAR at FAR 0.001"] == 0.0


@settings(phases=SEARCH)
@given(pairs(least=2))
def test_figures_of_the_curve_are_those_of_scikit_learn_to_the_last_bit(drawn):
    distances, same = drawn
    if not same.all() and same.any():
        assert [*metric.roc_figures(distances, same).values()] == naive.roc_figures(distances, same)


@pytest.mark.parametrize(("count", "steps"), [(6000, None), (6000, 50), (997, 3), (60_000, 4000)])
def test_the_curve_of_many_pairs_is_that_of_scikit_learn_to_the_last_bit(count, steps):
    """With `steps`, that many different distances."""
    rng = np.random.default_rng(count)
    same = rng.random(count) < 0.5
    distances = (rng.uniform(0, 4, count) * np.where(same, 0.6, 1)).astype(np.float32)
    if steps:
        distances = (distances * np.float32(steps / 4)).round() / np.float32(steps / 4)
    assert [*metric.roc_figures(distances, same).values()] == naive.roc_figures(distances, same)


@given(pairs(least=2))
@example((np.zeros(3, np.float32), np.ones(3, bool)))
def test_the_curve_is_that_of_all_couples(drawn):
    distances, same = drawn
    found = metric.roc_figures(distances, same)
    if same.all() or not same.any():  # pairs of one kind have no curve
        assert len(found) == 3
        assert all(math.isnan(value) for value in found.values())
        return
    assert found["AUC"] == pytest.approx(naive.area(distances, same), abs=1e-12)
    assert found["TAR at FAR 0.001"] == naive.true_accepts(distances, same, 0.001)
    assert 0 <= found["EER"] <= 1
