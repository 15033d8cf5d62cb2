"""The smallest set with which something holds: a pure search, which knows nothing of networks.

Source: delta debugging, Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002. Of its
two ways to make a set smaller, leaving a part out is the one taken here. In the place of the other, taking a part alone,
there is an order: the search begins with the units that do most harm, as few of them as hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

Unit = TypeVar("Unit")


class _Memo(Generic[Unit]):
    """A question about sets, of which each is asked about once."""

    def __init__(self, units: Sequence[Unit], holds: Callable[[Sequence[Unit]], bool]) -> None:
        self._places = {unit: place for place, unit in enumerate(units)}
        self._holds = holds
        self._answers: dict[tuple[Unit, ...], bool] = {}

    def __call__(self, units: Sequence[Unit]) -> bool:
        key = tuple(sorted(units, key=self._places.__getitem__))
        if key not in self._answers:
            self._answers[key] = self._holds(key)
        return self._answers[key]


def search(
    units: Sequence[Unit], holds: Callable[[Sequence[Unit]], bool], first: int = 1
) -> tuple[Unit, ...] | None:
    """Search for a set of units with which something holds, and none of whose units can be left out.

    It is returned in the order given; None where no set that was tried holds.

    Args:
        units: all units, each once, the one that is most likely needed first.
        holds: whether it holds with these units, which are in the order above; asked about each set once.
        first: how many of the first units to begin with, once none are too few.
    """
    asked = _Memo(units, holds)
    below = enough = None
    for length in _lengths(len(units), first):
        if asked(units[:length]):
            enough = length
            break
        below = length
    if enough is None:
        return None
    # No more of them than are needed: one that is rarely needed may stand for many that do harm.
    while below is not None and enough - below > 1:
        middle = (below + enough) // 2
        if asked(units[:middle]):
            enough = middle
        else:
            below = middle
    return _minimal(units[:enough], asked)


def _lengths(most: int, first: int) -> Iterator[int]:
    """Yield how many of the first units are tried: none, `first`, twice as many each time, all."""
    yield 0
    length = max(1, first)
    while length < most:
        yield length
        length *= 2
    if most:
        yield most


def _minimal(units: Sequence[Unit], holds: Callable[[Sequence[Unit]], bool]) -> tuple[Unit, ...]:
    """Return a part of a set that holds from which no single unit can be left out."""
    kept, size = list(units), max(1, len(units) // 2)
    while kept:
        before = len(kept)
        # The last ones first, which are the least likely to be needed.
        for end in range(len(kept), 0, -size):
            fewer = kept[: max(0, end - size)] + kept[end:]
            if holds(fewer):
                kept = fewer
        if size == 1 and len(kept) == before:
            break  # each was left out in turn, and is needed
        size = max(1, size // 2)
    return tuple(kept)
