"""Files that are either complete or absent."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.part(\..*)?", re.DOTALL)


@contextlib.contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` if the block succeeds.

    The temporary name is of this call alone, so several processes may write one file; it begins with a dot, for no
    listing to take it for a result, and keeps the suffix. It is locked, which tells it from what a killed run left:
    that is removed by the next process that writes to the directory.
    """
    with _staged(path) as (temporary, _):
        yield temporary


@contextlib.contextmanager
def _staged(path: Path) -> Iterator[tuple[Path, int]]:
    """Yield a temporary path, see `staged`, and the descriptor of the empty file there, open for writing."""
    path = _checked(path)
    remove_leftovers(path.parent)
    temporary, descriptor = _temporary(path)
    try:
        yield temporary, descriptor
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError) or error.filename not in (None, str(temporary)):
            raise
        if error.errno is None:  # numpy says how many numbers were not written, not where and why
            raise OSError(errno.EIO, f"not written as a whole: {error}", str(path)) from error
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def _checked(path: Path) -> Path:
    """Return the path of the file to write; what is there must be a regular file, or a link to one, which stays."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            path = Path(os.path.realpath(path))
            mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return path
    if not stat.S_ISREG(mode):
        raise GuideError(f"{path}: exists and is not a regular file; choose another name.")
    return path


def _temporary(path: Path) -> tuple[Path, int]:
    """Make an empty, locked file beside `path`; return its path and its descriptor, which holds the lock."""
    made = False
    while True:
        temporary = path.with_name(f".{secrets.token_hex(8)}.part{path.suffix}")
        try:
            descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            # Another thread may have made the directory since: then it is only tried again.
            if path.parent.is_dir() and (made or error.errno != errno.ENOENT):
                raise OSError(error.errno, error.strerror, str(path)) from error
            make_folder(path.parent)
            made = True
            continue
        with contextlib.suppress(OSError):  # a file system without locks: nothing is removed there
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # it was taken for a leftover before it was locked


@functools.cache
def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that nobody writes any more; once for each directory and process."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:  # what may not be listed is left alone
        for left in [Path(entry.path) for entry in entries if _TEMPORARY.fullmatch(entry.name)]:
            with contextlib.suppress(OSError), left.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()


def make_folder(folder: Path) -> None:
    """Make a directory and those above it; what is in the way and no directory is an error that names it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        blocking = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
        raise GuideError(
            f"{blocking}: is not a directory, and one is needed there to write to; choose another name."
        ) from None


def check_regular(path: Path) -> None:
    """Raise GuideError for a pipe, which would be waited for, a device or a directory."""
    _check_mode(path, path.stat().st_mode)


def _check_mode(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise GuideError(f"{path}: not a regular file, which is needed here; name one.")


def read_bytes(path: Path, most: int = -1) -> bytes:
    """Read a regular file, or its first `most` bytes; anything else is an error at once, see `check_regular`."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe is not waited for
    try:
        _check_mode(path, os.fstat(descriptor).st_mode)
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            return file.read(most)
    finally:
        os.close(descriptor)


def read_text(path: Path) -> str:
    """Read UTF-8 text of any kind of line ends, with or without a byte order mark; a file that is none is an error."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise GuideError(f"{path}: not a text file in UTF-8.") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, complete or not at all; what stands for bytes of a name that is no UTF-8 becomes these again."""
    with staged(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def json_text(value: Any) -> str:
    """Return indented JSON. NaN and infinity, which are not JSON, raise ValueError.

    Of names that are no UTF-8, the bytes that are none become escapes, which `json.loads` turns back.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, complete or not at all, see `json_text`."""
    write_text(path, json_text(value))


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write the bytes of `array` in C order, complete or not at all: the .bin files the NPU tools read."""
    view = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    with _staged(path) as (_, descriptor):
        while view:  # a write may be partial, on a nearly full disk for one
            view = view[os.write(descriptor, view) :]


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Return a hash of a regular file, in hexadecimal, by an algorithm of `hashlib`."""
    check_regular(path)
    digest = hashlib.new(algorithm)
    with path.open("rb", buffering=0) as file:
        # A MiB for each picture of some 50 KB would take longer to get than the picture to hash.
        most = min(os.fstat(file.fileno()).st_size + 1, 1 << 20)
        while block := file.read(most):
            digest.update(block)
    return digest.hexdigest()


def hash_once(path: Path, algorithm: str = "sha256") -> str:
    """Return `file_hash`, computed once in a process while the file's size, inode and times stay the same."""
    return _hash_of(path, algorithm, _state(path))


@functools.cache
def _hash_of(path: Path, algorithm: str, state: tuple[int, ...]) -> str:
    found = file_hash(path, algorithm)
    if _state(path) != state:
        raise GuideError(f"{path}: is being written to; run this again once that is done.")
    return found


def _state(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
