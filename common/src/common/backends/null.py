"""A network that only waits: what the host can do is measured with it, and what it costs beside a device."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from common.backends.base import Array
from common.graph.outline import Value

if TYPE_CHECKING:
    from typing_extensions import Self


class Null:
    """Waits `seconds` for each batch, whatever its size, and gives the same outputs for every item.

    `canned` are the outputs for one item, without the batch, in the order of `outputs`.
    """

    name = "null"
    precision = "none"
    identity = "null"

    def __init__(
        self, inputs: Sequence[Value], outputs: Sequence[Value], canned: Sequence[Array], seconds: float
    ) -> None:
        self.inputs, self.outputs = tuple(inputs), tuple(outputs)
        self._canned, self._seconds = canned, seconds

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Wait, and return the canned outputs for each row of the batch."""
        time.sleep(self._seconds)
        count = len(feeds[self.inputs[0].name])
        return [np.broadcast_to(output, (count, *output.shape)) for output in self._canned]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Nothing is held."""
