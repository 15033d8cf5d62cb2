"""The one error that users see."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class GuideError(Exception):
    """A failure to be told in one message: what is wrong, where, expected, found, what to do next."""


@contextlib.contextmanager
def about(subject: object) -> Iterator[None]:
    """Begin the message of a GuideError raised in the block with what it is about."""
    try:
        yield
    except GuideError as error:
        raise GuideError(f"{subject}: {error}") from None
