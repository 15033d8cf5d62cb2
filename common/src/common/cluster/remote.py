"""The network on a worker, as a backend of this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from common.backends.base import Array, Backend

if TYPE_CHECKING:
    from typing_extensions import Self


class Remote:
    """The network on one of a fleet's workers, which is fed from here."""

    def __init__(self, described: Backend, run: Callable[[Mapping[str, Array]], list[Array]]) -> None:
        self.name, self.precision, self.identity = described.name, described.precision, described.identity
        self.inputs, self.outputs = described.inputs, described.outputs
        self._run = run

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch, see `Backend.run`."""
        return self._run(feeds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: the fleet ends its workers."""
