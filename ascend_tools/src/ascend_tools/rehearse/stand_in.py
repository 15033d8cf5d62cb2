"""What the stand-ins for programs share."""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from common.errors import GuideError

Main = Callable[[Sequence[str]], int]
_WRONG = 2  # the rehearsal itself is asked for something it does not know; no real program ends so


def program(main: Main) -> Callable[..., int]:
    """Turn a function of words and an exit status into a program's `main`, called with `sys.argv` where none are given.

    A request that the rehearsal does not know, such as an unknown fault, is told loudly and ends with 2.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            status = main(sys.argv[1:] if argv is None else argv)
            sys.stdout.flush()
        except GuideError as error:
            print(f"rehearsal: {error}", file=sys.stderr)
            return _WRONG
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # who reads it has gone, as with `| head`
            return 128 + signal.SIGPIPE
        return status

    return guarded


def say(*lines: str) -> None:
    """Print lines at once, as a program does that may be killed afterwards."""
    print("\n".join(lines), flush=True)


def hang() -> NoReturn:
    """Never end, as a program does whose driver does not answer."""
    while True:
        time.sleep(60)


def die(how: signal.Signals = signal.SIGKILL) -> NoReturn:
    """End as a process does that the system kills where memory runs out, or otherwise."""
    sys.stdout.flush()
    os.kill(os.getpid(), how)
    hang()


def no_library(binary: str, library: str = "libascend_hal.so") -> int:
    """Say that a library of the driver's is missing, as the system's loader does, and return its exit status."""
    reason = "cannot open shared object file: No such file or directory"
    print(f"{binary}: error while loading shared libraries: {library}: {reason}", file=sys.stderr)
    return 127
