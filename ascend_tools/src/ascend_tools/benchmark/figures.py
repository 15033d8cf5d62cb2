"""Figures of several rounds: images per second with their noise, and the times of the calls.

Noise is stated so that two runs on the same machine agree within what each says of itself: the difference of their
figures is at most the sum of their noises. It is the whole range of the rounds, for few rounds a multiple of it, and never
less than a floor, which stands for what differs between two runs and not between the rounds of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

# By the number of rounds; from five on it is the range itself. Simulated with normal, heavy-tailed, skewed and two-fold
# rounds, at most two pairs of runs in a thousand differ by more, see the tests.
FACTORS = {2: 8.0, 3: 2.0, 4: 1.25}
FLOOR = 0.05
BEYOND = 10  # samples that have to lie beyond a percentile
PERCENTILES = (90, 95, 99)


@dataclass(frozen=True)
class Figure:
    """Images per second: of each round, their median, and its noise as a part of it; None of a single round."""

    throughput: float
    noise: float | None
    rounds: tuple[float, ...]


def figure(rounds: Sequence[float]) -> Figure:
    """Return the median of rounds, at least one, all above 0, with its noise."""
    middle = median(rounds)
    noise = None
    if len(rounds) > 1:
        span = (max(rounds) - min(rounds)) / middle
        noise = max(FLOOR, FACTORS.get(len(rounds), 1.0) * span)
    return Figure(middle, noise, tuple(rounds))


def latency_ms(calls: Sequence[float]) -> dict[str, float]:
    """Return mean, minimum, median, maximum and percentiles of the milliseconds of calls; none of no calls.

    A percentile is left out where fewer than ten calls lie beyond it: p90 takes 100 calls, p99 takes 1000.
    """
    if not calls:
        return {}
    ordered = sorted(calls)
    found = {"mean": fmean(ordered), "min": ordered[0], "median": median(ordered), "max": ordered[-1]}
    for percent in PERCENTILES:
        if len(ordered) * (100 - percent) >= 100 * BEYOND:
            found[f"p{percent}"] = ordered[math.ceil(len(ordered) * percent / 100) - 1]
    return found


def limiting_stage(stages: Mapping[str, float], threads: Mapping[str, int]) -> str | None:
    """Return the stage whose threads were busiest: most seconds for each of the threads that share it."""
    shares = {name: seconds / max(threads.get(name, 1), 1) for name, seconds in stages.items()}
    return max(shares, key=shares.__getitem__, default=None)
