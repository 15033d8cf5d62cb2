"""Running an outside program."""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from common.errors import GuideError

_LONGEST = 48 * 3600.0  # seconds; ATC's tuning takes hours
_GRACE = 5.0  # seconds that a program is given to end by itself


def quote(command: Sequence[str]) -> str:
    """Return a command as one pastes it into a shell; option values are quoted as the guides quote them."""
    return " ".join(_quote(word) for word in command)


def _quote(word: str) -> str:
    option, equals, value = word.partition("=")
    plain = not any(character in value for character in '"$`\\!')
    if option.startswith("-") and equals and plain and any(character in value for character in ";:, "):
        return f'{option}="{value}"'
    return shlex.quote(word)


def run(
    command: Sequence[str], remedy: str, *, seconds: float = _LONGEST, capture: bool = False
) -> tuple[int, str]:
    """Run a command and return its exit code and what it printed, errors included.

    Unless that is only captured, the command and its output are printed, too, line by line. A program that has not
    ended after `seconds` is ended, with what it started, and so it is where this one is interrupted.
    """
    program = resolve(command[0], remedy)
    if not capture:
        print(f"> {quote(command)}", flush=True)
    lines: list[str] = []
    process = subprocess.Popen(
        [program, *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # a group of its own, which can be ended as a whole
    )
    # In a thread: a driver that hangs keeps even a killed program, and the pipe stays open.
    printed: SimpleQueue[str | None] = SimpleQueue()
    threading.Thread(target=_read, args=(process, printed), daemon=True).start()
    end = time.monotonic() + seconds
    try:
        while (line := printed.get(timeout=max(end - time.monotonic(), 0))) is not None:
            lines.append(line)
            if not capture:
                print(line, end="", flush=True)
        code = process.wait(max(end - time.monotonic(), 0))
    except BaseException as error:
        _end(process)
        if not isinstance(error, (Empty, subprocess.TimeoutExpired)):
            raise
        words = "".join(lines[-20:]).strip()
        raise GuideError(
            f"`{quote(command)}` has not ended after {seconds:g} seconds and was given up"
            + (f"; its last words were:\n{words}\n" if words else ". ")
            + remedy
        ) from None
    return code, "".join(lines)


def _read(process: subprocess.Popen[str], printed: SimpleQueue[str | None]) -> None:
    """Pass on what a program prints line by line, and None at its end."""
    with process.stdout or io.StringIO() as lines:
        for line in lines:
            printed.put(line)
    printed.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    """End a program and all that it started, politely, then not; one that hangs in a driver is left to it."""
    for stop in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, stop)
            process.wait(_GRACE)


def resolve(program: str, remedy: str) -> str:
    """Return the full path of a program on PATH; without it, the error ends with `remedy`."""
    path = shutil.which(program)
    if path is None:
        raise GuideError(f"the program `{program}` is not on PATH. {remedy}")
    return path
