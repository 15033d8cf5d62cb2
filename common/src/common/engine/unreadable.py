"""Going on where a picture cannot be read: why it cannot takes the place of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic

from common import cli
from common.engine.task import Array, Inputs, Outputs, SourceT, Task
from common.errors import GuideError


class Unreadable(str):
    """Why a picture could not be read, in the place of a result."""

    __slots__ = ()


@dataclass(frozen=True)
class Marking(Generic[SourceT]):
    """A task whose `prepare` ends with no error where a picture cannot be read, so that those beside it go on.

    The network is fed the `stand_in`, and the result is an `Unreadable`.
    """

    task: Task[SourceT, Any, Array]
    stand_in: Mapping[str, Array]

    def prepare(self, source: SourceT) -> tuple[Inputs, Any]:
        """Prepare a source, or take the stand-in in its place."""
        try:
            inputs, context = self.task.prepare(source)
        except (GuideError, PermissionError) as error:
            return self.stand_in, Unreadable(cli.message(error))
        return inputs, (context,)

    def finish(self, outputs: Outputs, context: Any) -> Array | Unreadable:
        """Finish what was prepared."""
        return context if isinstance(context, Unreadable) else self.task.finish(outputs, *context)
