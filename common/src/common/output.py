"""What a command prints: any name can be printed anywhere, and what cannot be printed ends no work."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast


class Output:
    """A stream that goes on silently where what it writes to is closed or full.

    Attributes:
        lost: why something could not be printed, "" where all was, or where the reader had read enough.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = ""
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(
                errors="backslashreplace"
            )  # a letter that the terminal has not, a name that is no UTF-8

    def write(self, text: str) -> int:
        """Print text."""
        with self._going_on():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Pass on what is printed."""
        with self._going_on():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _going_on(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.lost = error.strerror or str(error)
            with (
                contextlib.suppress(OSError),
                Path(os.devnull).open("wb") as nowhere,
            ):  # so for all that comes
                os.dup2(nowhere.fileno(), self._stream.fileno())


@contextlib.contextmanager
def kept() -> Iterator[Output]:
    """Make stdout and stderr such streams in the block; what is printed is passed on at its end."""
    # A stream that was closed from the start is None.
    out, errors = (Output(stream or io.StringIO()) for stream in (sys.stdout, sys.stderr))
    with contextlib.redirect_stdout(cast("TextIO", out)), contextlib.redirect_stderr(cast("TextIO", errors)):
        try:
            yield out
        finally:
            out.flush()
            errors.flush()
