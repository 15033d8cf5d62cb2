"""What is done with one item before and after the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from numpy.typing import NDArray

Array = NDArray[Any]
Inputs = Mapping[str, Array]  # by the network's input names, one item, without the batch
Outputs = Sequence[Array]  # in the network's order, one item, without the batch
SourceT = TypeVar("SourceT", bound="Source")
ContextT = TypeVar("ContextT")
ResultT = TypeVar("ResultT")


class HasPath(Protocol):
    """A source that is more than its file."""

    @property
    def path(self) -> Path:
        """The file that the item is made from."""


Source = Path | HasPath


@dataclass(frozen=True)
class Task(Generic[SourceT, ContextT, ResultT]):
    """Two pure functions at module level, so that they can be sent to another process.

    `prepare` reads a source and returns the inputs, and whatever `finish` needs of it. It gives every input that any
    form of the network has; a backend is fed those it asks for. `finish` turns the outputs of one item into its result.
    """

    prepare: Callable[[SourceT], tuple[Inputs, ContextT]]
    finish: Callable[[Outputs, ContextT], ResultT]


def file_of(source: Source) -> Path:
    """Return the file that an item is made from."""
    return source if isinstance(source, Path) else source.path


def particulars(source: Source) -> str:
    """Return what an item is beside its file, in words: the numbers and texts that it carries."""
    if not is_dataclass(source):
        return ""
    values = {field.name: getattr(source, field.name) for field in fields(source)}
    return repr({name: value for name, value in values.items() if isinstance(value, (bool, int, float, str))})
