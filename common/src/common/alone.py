"""One run at a time in an output directory; another one waits.

The lock is one of the operating system on the directory itself: it leaves no file, and ends with its process, also after
kill -9.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from common.files import make_folder

# The directories, by device and inode, that the running command has taken until its end; None outside of commands.
_taken: ContextVar[dict[tuple[int, int], int] | None] = ContextVar("taken", default=None)


@contextlib.contextmanager
def until_end() -> Iterator[None]:
    """Give back at the end of the block what `take` takes in it; in a block in a block, at the end of the outer one."""
    if _taken.get() is not None:
        yield
        return
    token = _taken.set({})
    try:
        yield
    finally:
        for descriptor in (_taken.get() or {}).values():
            os.close(descriptor)
        _taken.reset(token)


def take(folder: Path) -> None:
    """Have a directory to oneself until the command ends, see `alone`; without a command, nothing is locked."""
    taken = _taken.get()
    if taken is not None:
        make_folder(folder)
        if (key := _key(folder)) not in taken:
            taken[key] = _lock(folder)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Have a directory, which is made if need be, to oneself in the block; wait, with a word on stderr, for others."""
    make_folder(folder)
    if _key(folder) in (_taken.get() or {}):
        yield
        return
    descriptor = _lock(folder)
    try:
        yield
    finally:
        os.close(descriptor)


def _key(folder: Path) -> tuple[int, int]:
    found = folder.stat()
    return found.st_dev, found.st_ino


def _lock(folder: Path) -> int:
    """Return a descriptor of a directory that holds its lock."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = _holder(os.fstat(descriptor).st_ino)
        print(f"{folder}: another run{who} is at work there; waiting for it to end", file=sys.stderr)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:  # Ctrl-C
            os.close(descriptor)
            raise
    except OSError:  # a file system without locks
        pass
    return descriptor


def _holder(inode: int) -> str:
    """Return which process holds a directory's lock, in words, where the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
            words = line.split()  # 1: FLOCK  ADVISORY  WRITE 4711 fd:01:123456 0 EOF
            if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
                return f" (process {words[4]})"
    return ""
