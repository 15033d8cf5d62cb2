"""The figures of several rounds: two runs agree within what each says of its noise, whatever the rounds are like."""

from __future__ import annotations

import numpy as np
import pytest

from ascend_tools.benchmark.figures import FACTORS, FLOOR, figure, latency_ms, limiting_stage

PAIRS = 4000


def normal(random, count):
    return 1 + 0.03 * random.standard_normal((PAIRS, count))


def heavy_tailed(random, count):
    return 1 + 0.02 * np.clip(random.standard_t(3, (PAIRS, count)), -20, 20)


def slow_now_and_then(random, count):
    return 1 / (1 + 0.05 * random.exponential(1, (PAIRS, count)))


def of_two_kinds(random, count):
    """A tenth of the processes are a third slower, each as a whole: their memory lies otherwise."""
    return (1 - 0.3 * (random.random((PAIRS, count)) < 0.1)) * (
        1 + 0.01 * random.standard_normal((PAIRS, count))
    )


def apart(first, second):
    """Return the part of pairs of runs that differ by more than they say."""
    strange = 0
    for one, other in zip(first.tolist(), second.tolist(), strict=True):
        a, b = figure(one), figure(other)
        strange += abs(a.throughput - b.throughput) > a.noise * a.throughput + b.noise * b.throughput
    return strange / len(first)


@pytest.mark.parametrize("count", [3, 4, 5, 7])
@pytest.mark.parametrize("rounds", [normal, heavy_tailed, slow_now_and_then, of_two_kinds])
def test_two_runs_agree_within_their_noise(rounds, count):
    random = np.random.default_rng(count)
    most = 0.01 if (count, rounds) == (3, of_two_kinds) else 0.003
    assert apart(rounds(random, count), rounds(random, count)) <= most


@pytest.mark.parametrize("step", [0.005, 0.01])
def test_two_runs_agree_where_the_machine_drifts(step):
    """One run after the other, of a machine that is a little faster or slower in each round than before."""
    random = np.random.default_rng(1)
    drift = np.cumsum(step * random.standard_normal((PAIRS, 10)), axis=1)
    rounds = 1 + drift + 0.005 * random.standard_normal((PAIRS, 10))
    assert apart(rounds[:, :5], rounds[:, 5:]) <= 0.01


def test_two_runs_agree_where_each_is_a_little_off():
    """What the rounds of a run share, and another run does not, is not seen in the rounds: the floor is for it."""
    random = np.random.default_rng(2)
    first, second = (
        1 + 0.02 * random.standard_normal((PAIRS, 1)) + 0.005 * random.standard_normal((PAIRS, 5))
        for _ in "ab"
    )
    assert apart(first, second) <= 0.003


def test_noise_covers_all_rounds_and_has_a_floor():
    found = figure([10.0, 8.0, 11.0, 10.5, 9.5])
    assert found.throughput == 10.0
    assert found.noise == pytest.approx(0.3)
    assert found.rounds == (10.0, 8.0, 11.0, 10.5, 9.5)
    assert figure([7.0] * 5).noise == FLOOR
    assert figure([7.0]).noise is None


@pytest.mark.parametrize("count", range(2, 9))
def test_few_rounds_say_less(count):
    rounds = [1.0, 1.1, *[1.05] * (count - 2)]
    span = 0.1 / figure(rounds).throughput
    assert figure(rounds).noise == pytest.approx(FACTORS.get(count, 1.0) * span)


@pytest.mark.parametrize(
    ("count", "names"),
    [
        (0, ()),
        (1, ("mean", "min", "median", "max")),
        (99, ("mean", "min", "median", "max")),
        (100, ("mean", "min", "median", "max", "p90")),
        (199, ("mean", "min", "median", "max", "p90")),
        (200, ("mean", "min", "median", "max", "p90", "p95")),
        (999, ("mean", "min", "median", "max", "p90", "p95")),
        (1000, ("mean", "min", "median", "max", "p90", "p95", "p99")),
    ],
)
def test_percentiles_only_as_the_samples_bear(count, names):
    assert tuple(latency_ms([float(k) for k in range(count)])) == names


def test_latencies():
    found = latency_ms([float(k) for k in reversed(range(1, 1001))])
    assert found == {
        "mean": 500.5,
        "min": 1.0,
        "median": 500.5,
        "max": 1000.0,
        "p90": 900.0,
        "p95": 950.0,
        "p99": 990.0,
    }


def test_the_limiting_stage_is_the_busiest_for_each_of_its_threads():
    seconds = {"preprocess": 8.0, "stack": 0.1, "infer": 3.0, "postprocess": 1.0}
    assert limiting_stage(seconds, {"preprocess": 4, "stack": 4, "infer": 1, "postprocess": 4}) == "infer"
    assert (
        limiting_stage(seconds, {"preprocess": 2, "stack": 2, "infer": 1, "postprocess": 2}) == "preprocess"
    )
    assert limiting_stage(seconds, {"infer": 4}) == "preprocess"
    assert limiting_stage({}, {}) is None
