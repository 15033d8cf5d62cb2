"""The one error that users see."""

from __future__ import annotations

from types import TracebackType


class GuideError(Exception):
    """A failure to be told in one message: what is wrong, where, expected, found, what to do next."""


class about:  # noqa: N801  read as a word: with about(path): ...
    """Begin the message of a GuideError raised in the block with what it is about.

    No generator, as `contextlib.contextmanager` has: several blocks are entered for each item.
    """

    __slots__ = ("_subject",)

    def __init__(self, subject: object) -> None:
        self._subject = subject

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, GuideError):
            raise GuideError(f"{self._subject}: {error}") from None
