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
    path = _checked(path)
    remove_leftovers(path.parent)
    temporary, descriptor = _temporary(path)
    try:
        yield temporary
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
    if not stat.S_ISREG(path.stat().st_mode):
        raise GuideError(f"{path}: not a regular file, which is needed here; name one.")


def read_bytes(path: Path, most: int = -1) -> bytes:
    """Read a regular file, or its first `most` bytes; anything else is an error at once, see `check_regular`."""
    check_regular(path)
    with path.open("rb") as file:
        return file.read(most)


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
    with staged(path) as temporary, temporary.open("wb", buffering=0) as file:
        view = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        while view:  # a raw write may be partial, on a nearly full disk for one
            view = view[file.write(view) :]


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Return a hash of a regular file, in hexadecimal, by an algorithm of `hashlib`."""
    check_regular(path)
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
