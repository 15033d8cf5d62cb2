"""How far outputs are from those of another network, output by output, each against its own tolerance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.facts import Facts

Array = NDArray[Any]


def largest_differences(found: Sequence[Array], wanted: Sequence[Array]) -> Array:
    """Return the largest absolute difference of each output; NaN where one of the two has it."""
    return np.array([np.abs(f - w).max() for f, w in zip(found, wanted, strict=True)])


def print_differences(facts: Facts, largest: Sequence[float]) -> None:
    """Print each output's largest difference beside what is accepted."""
    for tensor, difference in zip(facts.outputs, largest, strict=True):
        print(f"  {tensor.name}: largest difference {difference:.2e}, accepted {tensor.tolerance or 0:.0e}")


def check_differences(
    facts: Facts, largest: Sequence[float], consequence: str, *, other: str = "torch"
) -> None:
    """Refuse an output that differs from the other side's by more than its tolerance; `consequence` ends the message."""
    for tensor, difference in zip(facts.outputs, largest, strict=True):
        if not difference <= (tensor.tolerance or 0):  # also true for NaN
            raise GuideError(
                f"output {tensor.name!r} differs from {other} by {difference:.2e}, more than {tensor.tolerance or 0:.0e}. "
                f"{consequence}"
            )


def as_metrics(facts: Facts, largest: Sequence[float]) -> Mapping[str, float]:
    """Return the differences for metrics.json."""
    return {
        f"largest difference from torch, {tensor.name}": float(difference)
        for tensor, difference in zip(facts.outputs, largest, strict=True)
    }
