"""How far outputs are from those of another network, output by output, each against what is accepted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.facts import Facts
from common.report.emulated import EMULATED

Array = NDArray[Any]
# Of an output's spread: float32 alone may need the least; a network that ignores its input differs by more than all of it.
LEAST, MOST = 0.001, 0.01
# The same in a reduced precision: several times what its rounding makes of a hundred layers. bfloat16 has three bits fewer
# than float16, and leaves single values off by three times the spread; there the root mean square is held against it, of
# which the five networks have 0.02 to 0.09, and one that ignores its input 1.3 at least.
REDUCED = 0.25


class Spread:
    """How much each output changes from item to item: the root, over its values, of the mean variance over items."""

    def __init__(self, outputs: int) -> None:
        self.count = 0
        self._sums: list[Any] = [0.0] * outputs
        self._squares: list[Any] = [0.0] * outputs

    def add(self, outputs: Sequence[Array]) -> None:
        """Add the outputs of one item, without the batch."""
        self.count += 1
        for k, output in enumerate(outputs):
            values = output.astype(np.float64)
            self._sums[k] = self._sums[k] + values
            self._squares[k] = self._squares[k] + values * values

    def each(self) -> tuple[float, ...] | None:
        """Return one number per output; None for a single item, which says nothing about it."""
        if self.count < 2:
            return None
        means = (
            (sums / self.count, squares / self.count)
            for sums, squares in zip(self._sums, self._squares, strict=True)
        )
        return tuple(float(np.sqrt(np.maximum(square - mean * mean, 0).mean())) for mean, square in means)


def spread_of(outputs: Sequence[Array]) -> tuple[float, ...] | None:
    """Return the spread of the outputs for a batch, see `Spread`."""
    spread = Spread(len(outputs))
    for item in zip(*outputs, strict=True):
        spread.add(item)
    return spread.each()


def largest_differences(found: Sequence[Array], wanted: Sequence[Array]) -> Array:
    """Return the largest absolute difference of each output; NaN where one of the two has it."""
    return np.array([np.abs(f - w).max() for f, w in zip(found, wanted, strict=True)])


def root_mean_squares(found: Sequence[Array], wanted: Sequence[Array]) -> Array:
    """Return the root of the mean square of each output's differences; NaN where one of the two has it."""
    differences = (f.astype(np.float64) - w for f, w in zip(found, wanted, strict=True))
    return np.array([np.sqrt(np.mean(np.square(each))) for each in differences])


def has_stray_values(precision: str) -> bool:
    """Tell whether rounding leaves single values so far off that only `root_mean_squares` say how well outputs agree."""
    return precision in ("bfloat16", EMULATED)


def accepted_differences(
    facts: Facts, spread: Sequence[float] | None, *, precision: str = "float32"
) -> list[float]:
    """Return what is accepted of each output: its tolerance in model.toml, within LEAST and MOST of its spread if known.

    In another precision than float32 it is REDUCED of the spread, or of what tolerances are for float32 at least.
    """
    tolerances = [tensor.tolerance or 0.0 for tensor in facts.outputs]
    if precision != "float32":
        return [REDUCED * each for each in spread or [tolerance / LEAST for tolerance in tolerances]]
    return tolerances if spread is None else np.clip(tolerances, *np.outer((LEAST, MOST), spread)).tolist()


def print_differences(
    facts: Facts,
    largest: Sequence[float],
    spread: Sequence[float] | None = None,
    *,
    precision: str = "float32",
    squares: Sequence[float] | None = None,
) -> None:
    """Print how far each output is off, see `in_words`."""
    for line in in_words(facts, largest, spread, precision=precision, squares=squares):
        print(line)


def in_words(
    facts: Facts,
    largest: Sequence[float],
    spread: Sequence[float] | None = None,
    *,
    precision: str = "float32",
    squares: Sequence[float] | None = None,
) -> list[str]:
    """Return, line by line, each output's largest difference beside what is accepted and, where known, how much it changes.

    With `squares`, the root mean squares, what is accepted is of these.
    """
    accepted = accepted_differences(facts, spread, precision=precision)
    lines = []
    for k, (tensor, difference) in enumerate(zip(facts.outputs, largest, strict=True)):
        changes = f"; from item to item it changes by {spread[k]:.1e}" if spread else ""
        found = f"largest difference {difference:.2e}"
        if squares:
            found += f"; their root mean square {squares[k]:.2e}"
        lines.append(f"  {tensor.name}: {found}, accepted {accepted[k]:.1e}{changes}")
    return lines


def check_differences(
    facts: Facts,
    largest: Sequence[float],
    consequence: str,
    *,
    spread: Sequence[float] | None = None,
    other: str = "torch",
    precision: str = "float32",
) -> None:
    """Refuse an output that differs from the other side's by more than is accepted; `consequence` ends the message.

    `largest` are the root mean squares where `has_stray_values` is true of the precision.
    """
    for k, accepted in enumerate(accepted_differences(facts, spread, precision=precision)):
        name, difference = facts.outputs[k].name, largest[k]
        if spread and spread[k] == 0:
            raise GuideError(
                f"output {name!r} of {other} is the same for all inputs, so that comparing it shows nothing."
            )
        if not difference <= accepted:  # also true for NaN
            raise GuideError(
                f"output {name!r} differs from {other} by {difference:.2e}, more than {accepted:.1e}. {consequence}"
            )


def as_metrics(facts: Facts, largest: Sequence[float]) -> Mapping[str, float | None]:
    """Return the differences for metrics.json, which has no infinity: None."""
    return {
        f"largest difference from torch, {tensor.name}": float(difference)
        if np.isfinite(difference)
        else None
        for tensor, difference in zip(facts.outputs, largest, strict=True)
    }
