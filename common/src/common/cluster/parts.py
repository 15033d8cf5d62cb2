"""Parts of many items: as much as a worker is given at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from common.cluster import pictures

IN_HAND = 2  # parts that a worker has: while one ends the next one begins
LARGEST = 256  # items in a part


@dataclass(eq=False)
class Part:
    """Some items, of which `left` have no result yet, and a worker has those `in_hand`.

    `losses` is how many workers were lost with them.
    """

    number: int
    left: dict[str, Any]
    in_hand: set[str] = field(default_factory=set)
    losses: int = 0


def cut(
    pairs: Iterator[tuple[str, Any]],
    count: int | None,
    batch_size: int,
    members: Callable[[], int],
    sent: Callable[[Any], int],
) -> Iterator[Part]:
    """Yield parts of whole batches, smaller ones towards the end, so that all workers end at about the same time.

    Where it is not known how many items there are, the first parts are small, for all workers to have some.
    """
    for number in itertools.count():
        held = IN_HAND * max(1, members())
        size = (
            batch_size << min(number // held, LARGEST.bit_length()) if count is None else count // (2 * held)
        )
        items: dict[str, Any] = {}
        weight = 0
        for _ in range(max(1, min(size, LARGEST) // batch_size)):
            batch = dict(itertools.islice(pairs, batch_size))
            items |= batch
            weight += sum(map(sent, batch.values()))
            if weight >= pictures.SENT:
                break
        if not items:
            return
        if count is not None:
            count -= len(items)
        yield Part(number, items)
