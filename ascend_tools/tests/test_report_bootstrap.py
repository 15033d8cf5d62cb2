"""The paired bootstrap: its intervals hold the true difference as often as they say, and what it calls real is."""

from __future__ import annotations

import numpy as np
import pytest

from ascend_tools.report import bootstrap
from ascend_tools.report.flips import changed
from ascend_tools.report.weighted import figures_of
from tests.made_up_runs import boxes, detector, pairs, queries


def judged(first, second, draws=400, seed=bootstrap.SEED):
    """Return how the last figure differs."""
    drawn = bootstrap.resampled([first, second], draws, seed)
    return bootstrap.differences(first, second, drawn, changed(first, second))[-1]


def two_ways(rng, count=60):
    """Queries of two networks; the second is better by 0.03 on average."""
    hard = rng.random(count)
    return [queries(np.clip(hard * 0.8 + gain + rng.normal(0, 0.05, count), -9, 9)) for gain in (0, 0.03)]


def two_verifiers(rng, count=300):
    """Pairs that two networks judge by distances around 1 and 2; the second one's are noisier."""
    same = np.arange(count) % 2 == 0
    hard = rng.normal(0, 0.3, count)
    return [pairs(2.0 - same + hard + rng.normal(0, noise, count), same) for noise in (0.1, 0.3)]


@pytest.mark.parametrize(
    ("make", "population", "sets"),
    [
        (two_ways, 100_000, 200),
        (two_verifiers, 100_000, 60),
        (lambda rng, count=120: detector(rng, count, (0.8, 0.75)), 20_000, 200),
    ],
    ids=["queries", "pairs", "boxes"],
)
def test_the_true_difference_lies_in_the_interval_about_95_times_in_100(make, population, sets):
    rng = np.random.default_rng(7)
    before, after = (bootstrap.once(units)[-1] for units in make(rng, population))
    found = [judged(*make(rng), draws=200, seed=i) for i in range(sets)]
    assert np.mean([each.low <= after - before <= each.high for each in found]) >= 0.91
    # Nor are the intervals too wide: half of one is 1.96 times how much the difference varies from data set to data set.
    widths = np.mean([each.least for each in found]) / 1.96
    assert widths == pytest.approx(np.std([each.change for each in found]), rel=0.25)


def test_a_run_against_itself_is_the_same():
    for units in (*two_ways(np.random.default_rng(0)), *detector(np.random.default_rng(0), 50, (0.8, 0.7))):
        found = judged(units, units)
        assert (found.change, found.low, found.high, found.changed, found.word) == (0, 0, 0, 0, "same")
        assert found.least == 0


def test_a_real_drop_is_found_and_so_is_the_way_back():
    first, second = detector(np.random.default_rng(3), 2000, (0.8, 0.7))
    found, back = judged(first, second), judged(second, first)
    assert (found.word, back.word) == ("worse", "better")
    assert found.high < 0 < back.low
    assert found.change == -back.change == pytest.approx(-0.1, abs=0.05)
    assert found.least == pytest.approx((found.high - found.low) / 2)


def test_equal_runs_in_another_order_are_not_told_apart():
    """Each of two runs is better than the other in half of the pictures."""
    rng = np.random.default_rng(5)
    precision, other = rng.random(200), rng.random(200)
    swapped = rng.random(200) < 0.5
    first = queries(np.where(swapped, precision, other))
    second = queries(np.where(swapped, other, precision))
    assert judged(first, second).word == judged(second, first).word == "undecided"


@pytest.mark.parametrize(("count", "word"), [(1, "undecided"), (5, "undecided"), (6, "worse"), (40, "worse")])
def test_what_fewer_than_six_queries_make_is_never_called_real(count, word):
    precision = np.full(3000, 0.9)
    assert judged(queries(precision), queries(np.where(np.arange(3000) < count, 0.1, precision))).word == word


@pytest.mark.parametrize(("size", "within"), [(30, True), (29, False)])
def test_pairs_are_drawn_within_their_folds_where_these_are_large_enough(size, within):
    units = pairs(np.linspace(0, 4, 10 * size), np.arange(10 * size) % 2)
    sums = np.concatenate([each.reshape(10, size, -1).sum(axis=1).T for each in bootstrap.draws(units, 50)])
    assert (sums.shape, sums.sum(axis=1).tolist()) == ((50, 10), [10 * size] * 50)
    assert (sums == size).all() == within


def test_the_same_runs_always_give_the_same_interval_whatever_else_is_compared():
    first, second = two_ways(np.random.default_rng(1))
    together = bootstrap.resampled([first, first, second], 100)
    np.testing.assert_array_equal(together[[0, 2]], bootstrap.resampled([first, second], 100))


def test_draws_are_computed_together_as_they_are_one_by_one():
    units = detector(np.random.default_rng(2), 80, (0.8,))[0]
    figures, counts = figures_of(units), next(bootstrap.draws(units, 16))
    for draw in range(16):
        assert figures(counts[:, [draw]])[:, 0] == pytest.approx(figures(counts)[:, draw], abs=1e-12)


def plain(units, counts):
    """Average precision at recalls, of one class, picture by picture copied as often as it counts."""
    arrays, hits, tried, points = units.arrays, 0, 0, []
    for unit, right, ignored in zip(arrays["unit"], arrays["right"][0], arrays["ignored"][0], strict=True):
        for _ in range(counts[unit]):
            hits, tried = hits + right, tried + (not ignored)
            points.append((hits, tried))
    total = counts[arrays["truth_unit"]].sum()
    best = [max((h / max(t, 1) for h, t in points if h / total >= r), default=0) for r in arrays["recalls"]]
    return sum(best) / len(best)


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_is_that_of_the_plain_steps(seed):
    rng = np.random.default_rng(seed)
    truths, count = rng.integers(0, 4, 8), 40
    right = rng.random(count) < 0.4
    ignored = ~right & (rng.random(count) < 0.2)
    units = boxes(truths, rng.integers(0, 8, count), rng.permutation(count) / count, right, ignored)
    # No more right boxes than objects, however the pictures are drawn.
    units.arrays["right"][0, np.cumsum(units.arrays["right"][0]) > truths.min()] = False
    counts = rng.integers(1, 3, 8)
    assert figures_of(units)(counts[:, None])[0, 0] == pytest.approx(plain(units, counts), abs=1e-12)


def test_draws_without_anything_to_measure_are_left_out_of_the_interval():
    assert bootstrap.interval(np.array([np.nan, 1.0, 2.0, np.nan])) == pytest.approx((1.025, 1.975))
    assert bootstrap.interval(np.array([np.nan])) == (-np.inf, np.inf)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_interval_that_leaves_out_0_by_rounding_alone_says_nothing(sign):
    ends = sorted((sign * 1e-17, sign * 0.02))
    found = bootstrap.Difference("AP", 0.5, 0.5 + sign * 0.01, ends[0], ends[1], changed=50)
    assert found.word == "undecided"
