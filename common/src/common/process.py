"""Running an outside program."""

from __future__ import annotations

import contextlib
import io
import math
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from common.errors import GuideError

_LONGEST = 48 * 3600.0  # seconds; ATC's tuning takes hours
_LOOK = 0.2  # seconds between two looks at whether another thread wants a program ended
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
    command: Sequence[str],
    remedy: str,
    *,
    seconds: float = _LONGEST,
    capture: bool = False,
    log: Path | None = None,
    folder: Path | None = None,
    quiet: float = math.inf,
    stop: threading.Event | None = None,
) -> tuple[int, str]:
    """Run a command and return its exit code and what it printed, errors included.

    Unless that is only captured, the command and its output are printed, too, line by line; of tracebacks, which are in
    the log where there is one, the last line. A program that has not ended after `seconds` is ended, with what it
    started, and so it is where this one is interrupted. `log` is a file that is written anew and has all the lines so far
    at any time, `folder` the directory that it runs in. A program that prints nothing for `quiet` seconds is ended, too,
    and so is one whose `stop` another thread has set, which raises `Stopped`.
    """
    program = resolve(command[0], remedy)
    limits = _Limits(time.monotonic() + seconds, quiet, stop)
    with contextlib.closing(_Log(log)) as kept:
        return _run(program, command, remedy, seconds, limits, capture=capture, kept=kept, folder=folder)


class Stopped(Exception):  # noqa: N818  no error: another thread has one, or was interrupted
    """The program was ended because nobody waits for it any more."""


@dataclass(frozen=True)
class _Limits:
    """When a program is given up: at the clock's `end`, after `quiet` seconds without a line, where it is to `stop`."""

    end: float
    quiet: float
    stop: threading.Event | None

    def next(self, printed: SimpleQueue[str | None]) -> str | None:
        """Return the next line, None at the end of all; raise Empty where there is none in time."""
        end = min(self.end, time.monotonic() + self.quiet)
        while True:
            if self.stop and self.stop.is_set():
                raise Stopped
            left = max(end - time.monotonic(), 0)
            try:
                return printed.get(timeout=min(left, _LOOK) if self.stop else left)
            except Empty:
                if time.monotonic() >= end:
                    raise


class _Log:
    """A file of lines, or none, whose errors name it."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._file = path.open("w", encoding="utf-8", buffering=1) if path else None

    def write(self, line: str) -> None:
        if self._file:
            try:
                self._file.write(line)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(self.path)) from error

    def close(self) -> None:
        if self._file:
            with contextlib.suppress(OSError):  # told when it was written
                self._file.close()


def _run(
    program: str,
    command: Sequence[str],
    remedy: str,
    seconds: float,
    limits: _Limits,
    *,
    capture: bool,
    kept: _Log,
    folder: Path | None,
) -> tuple[int, str]:
    if not capture:
        print(f"> {quote(command)}", flush=True)
    lines: list[str] = []
    inside = False  # a traceback
    process = subprocess.Popen(
        [program, *command[1:]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # a group of its own, which can be ended as a whole
        cwd=folder,
    )
    guard: subprocess.Popen[str] | None = None
    try:
        # In a thread: a driver that hangs keeps even a killed program, and the pipe stays open.
        printed: SimpleQueue[str | None] = SimpleQueue()
        threading.Thread(target=_read, args=(process, printed), daemon=True).start()
        guard = _guard(process)
        while (line := limits.next(printed)) is not None:
            lines.append(line)
            kept.write(line)
            # Where it went wrong inside a program is for the log; the line that follows says what.
            inside = bool(kept.path) and ("Traceback (most recent" in line or (inside and line[:1] in " \t"))
            if not capture and not inside:
                print(line, end="", flush=True)
        if not capture and lines and not lines[-1].endswith("\n"):
            print(flush=True)  # killed within a progress bar; what follows is a line of its own
        code = process.wait(max(limits.end - time.monotonic(), 0))
    except BaseException as error:
        _end(process)
        if not isinstance(error, (Empty, subprocess.TimeoutExpired)):
            raise
        words = "".join(lines[-20:]).strip()
        ended = time.monotonic() >= limits.end
        what = f"not ended after {seconds:g}" if ended else f"printed nothing for {limits.quiet:g}"
        raise GuideError(
            f"`{quote(command)}` has {what} seconds and was given up"
            + (f"; its last words were:\n{words}\n" if words else ". ")
            + remedy
        ) from None
    finally:
        if guard:
            guard.communicate("\n")
    return code, "".join(lines)


def _guard(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """Start what ends a program where this one dies without a word (kill -9): it would keep the NPU, and write on."""
    return subprocess.Popen(
        ["/bin/sh", "-c", f"read -r word || kill -s KILL -- -{process.pid}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


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
