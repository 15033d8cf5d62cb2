"""Whether the figures of two runs on the same data differ by more than the choice of the data explains.

A paired bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993): as many pictures, pairs or queries are
drawn, with replacement, as there are, and both runs' figures are computed of the same draw, some thousand times. The middle
95 % of the differences are the interval. Boxes are never drawn by themselves: those of a picture are not independent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ascend_tools.report.weighted import figures_of
from common import cli
from common.report.units import Units

Array = NDArray[Any]
DRAWS = 2000
AT_ONCE = 16  # draws that are gone through together
SHARE = 0.95
EXACT = 1e-12  # what a figure may differ by that is computed in another order
SEED = 20070101  # the same runs give the same interval
LEAST_IN_FOLD = 30  # with fewer, draws within a fold would vary too little
# With fewer than six units that differ no test tells at 5 %: all five in one direction happen by chance in 2 of 32.
LEAST_CHANGED = 6


@dataclass(frozen=True)
class Difference:
    """How a figure of a second run differs from that of the first, with the interval of 95 %."""

    figure: str
    first: float
    second: float
    low: float
    high: float
    changed: int

    @property
    def change(self) -> float:
        """The second less the first."""
        return self.second - self.first

    @property
    def least(self) -> float:
        """The smallest difference that these data could show between two such runs: half the interval."""
        return (self.high - self.low) / 2

    @property
    def word(self) -> str:
        """Better, worse, undecided; same where the figures do not differ in any draw."""
        if max(abs(self.change), abs(self.low), abs(self.high)) <= EXACT:
            return "same"
        if self.changed >= LEAST_CHANGED and self.low > EXACT:
            return "better"
        if self.changed >= LEAST_CHANGED and self.high < -EXACT:
            return "worse"
        return "undecided"


def draws(units: Units, count: int, seed: int = SEED) -> Iterator[Array]:
    """Yield how often each unit counts in some of `count` draws at a time, NxD int64; within folds that are large enough."""
    generator = np.random.Generator(np.random.PCG64(seed))
    parts = _strata(units)
    for begin in range(0, count, AT_ONCE):
        counts = np.zeros((len(units.keys), min(AT_ONCE, count - begin)), np.int64)
        for part in parts:
            for draw in range(counts.shape[1]):
                drawn = generator.integers(0, len(part), len(part))
                counts[part, draw] = np.bincount(drawn, minlength=len(part))
        yield counts


def _strata(units: Units) -> list[Array]:
    """Return the units that are drawn among each other: those of a fold, or all."""
    everything = np.arange(len(units.keys))
    fold = units.arrays.get("fold")
    if fold is None:
        return [everything]
    folds = [np.flatnonzero(fold == number) for number in np.unique(fold)]
    return folds if min(map(len, folds), default=0) >= LEAST_IN_FOLD else [everything]


def once(units: Units) -> Array:
    """Return the figures of a run, every unit counted once: what metrics.json has."""
    figures: Array = figures_of(units)(np.ones((len(units.keys), 1), np.int64))[:, 0]
    return figures


def resampled(runs: Sequence[Units], count: int = DRAWS, seed: int = SEED) -> Array:
    """Return the figures of all runs in the same draws: RxDxF float64; all runs are of the same units."""
    computing = [figures_of(units) for units in runs]
    parts = -(-count // AT_ONCE)
    drawn = cli.progress(draws(runs[0], count, seed), parts, "drawing again and again", f"x{AT_ONCE}")
    found = [np.stack([figures(counts).T for figures in computing]) for counts in drawn]
    return np.concatenate(found, axis=1)


def differences(first: Units, second: Units, drawn: Array, changed: int) -> list[Difference]:
    """Return how each figure differs.

    Args:
        first: the run that is compared with.
        second: the run that is compared.
        drawn: 2xDxF, their figures in the draws, see `resampled`.
        changed: how many units differ.
    """
    found = []
    steps = drawn[1] - drawn[0]
    for name, before, after, step in zip(first.figures, once(first), once(second), steps.T, strict=True):
        low, high = interval(step)
        found.append(Difference(name, float(before), float(after), low, high, changed))
    return found


def interval(values: Array) -> tuple[float, float]:
    """Return the middle 95 % of values; those that are none, of a draw without anything to measure, are left out."""
    known = values[np.isfinite(values)]
    if not len(known):
        return float("-inf"), float("inf")
    low, high = np.quantile(known, [(1 - SHARE) / 2, (1 + SHARE) / 2]).tolist()
    return low, high
