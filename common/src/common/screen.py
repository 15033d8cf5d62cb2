"""How much a command shows: all of it, its last line alone (--quiet), or its figures as JSON (--json)."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast


@dataclass
class _Screen:
    """What the running command has to say at its end, and what puts the streams back as they were."""

    restore: contextlib.ExitStack
    last: str = ""
    figures: str = ""


class _LastLine:
    """A stream that keeps nothing but the last line that is not empty."""

    line = ""

    def write(self, text: str) -> int:
        lines = (self.line + text).splitlines(keepends=True)
        self.line = next((line for line in reversed(lines) if line.strip()), "")
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


_running: ContextVar[_Screen | None] = ContextVar("screen", default=None)


@contextlib.contextmanager
def until_end() -> Iterator[None]:
    """Put the streams back at the end of the block, as they were before `parse` in it."""
    with contextlib.ExitStack() as restore:
        restore.callback(_running.reset, _running.set(_Screen(restore)))
        yield


def parse(arguments: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Add --quiet and --json, parse, and obey them until the command ends."""
    either = arguments.add_mutually_exclusive_group()
    either.add_argument(
        "--quiet", action="store_true", help="Print nothing but the last line, and errors, to stderr."
    )
    either.add_argument(
        "--json",
        action="store_true",
        help="Print metrics.json to stdout, where one was written, and all else to stderr.",
    )
    options = arguments.parse_args(argv)
    if screen := _running.get():
        if options.quiet:
            screen.restore.enter_context(_quiet(screen))
        elif options.json:
            screen.restore.enter_context(_json(screen))
    return options


def restore() -> None:
    """Put the streams back before the command's end, for what has to be seen."""
    if screen := _running.get():
        screen.restore.close()


def last(line: str) -> None:
    """Print the line that a command ends with, which --quiet shows even if an error follows."""
    print(line)
    if screen := _running.get():
        screen.last = line


def figures(text: str) -> None:
    """Have --json print the text at the command's end, byte for byte as UTF-8, also if an error follows."""
    if screen := _running.get():
        screen.figures = text


@contextlib.contextmanager
def kept_back() -> Iterator[None]:
    """Show what is printed in the block only if an error ends it."""
    kept = io.StringIO()
    try:
        with contextlib.redirect_stdout(kept):
            yield
    except BaseException:
        print(kept.getvalue(), end="")
        raise


@contextlib.contextmanager
def _quiet(screen: _Screen) -> Iterator[None]:
    """Show one line at the end of the block: what `last` was told, or else, without an error, the last one printed."""
    out, lines, failed = sys.stdout, _LastLine(), True
    try:
        with (
            Path(os.devnull).open("w", encoding="utf-8", errors="replace") as nowhere,
            _led(out, nowhere),
            contextlib.redirect_stdout(cast("TextIO", lines)),
            contextlib.redirect_stderr(nowhere),
        ):
            yield
        failed = False
    finally:
        if line := screen.last or ("" if failed else lines.line.rstrip("\n")):
            print(line, file=out)


@contextlib.contextmanager
def _json(screen: _Screen) -> Iterator[None]:
    """Print the figures' text at the end of the block, and all that is printed in it to stderr."""
    out = sys.stdout
    try:
        with _led(out, sys.stderr), contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if reconfigure := getattr(out, "reconfigure", None):
            reconfigure(encoding="utf-8")  # whatever letters the terminal has
        out.write(screen.figures)


@contextlib.contextmanager
def _led(stream: TextIO, target: TextIO) -> Iterator[None]:
    """Lead what libraries and programs write to a stream's file themselves to another one's in the block."""
    try:
        number, other = stream.fileno(), target.fileno()
    except (OSError, ValueError):  # streams without files, in tests
        yield
        return
    stream.flush()
    kept = os.dup(number)
    os.dup2(other, number)
    try:
        yield
    finally:
        ctypes.CDLL(None).fflush(None)  # what the C library holds back would be written later
        os.dup2(kept, number)
        os.close(kept)
