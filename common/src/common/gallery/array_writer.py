"""Features and names that are appended to a .npy file, so that a killed run goes on where it was.

Three files: FILE, the .npy file; FILE.names.jsonl, the name, size and time of the picture of each row; FILE.json, what they
are made with. Rows are written behind those that the header counts, and then the header anew: its count is the commit.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.files import check_regular, make_folder, read_bytes, write_text
from common.gallery import array_header, lines
from common.gallery.made import Made, parse
from common.gallery.walk import Entry

KINDS = (str, int, int)  # of an Entry
_MADE = 1 << 16  # bytes of FILE.json


def names_of(path: Path) -> Path:
    """Return the file with the names of the rows."""
    return path.with_name(f"{path.name}.names.jsonl")


def made_of(path: Path) -> Path:
    """Return the file that says what the rows are made with."""
    return path.with_name(f"{path.name}.json")


def read_made(path: Path) -> Made:
    """Return what the rows of a .npy file are made with."""
    beside = made_of(path)
    try:
        return parse(read_bytes(beside, _MADE), beside)
    except FileNotFoundError:
        raise GuideError(
            f"{beside}: not there, and says what the features beside it are made with. Copy all of "
            f"{path.name}* together, or make them again with embed.py."
        ) from None


def no_names(path: Path) -> GuideError:
    """Return the error that the file with the names is not there."""
    return GuideError(
        f"{names_of(path)}: not there, and names the rows of {path.name}. Copy all of {path.name}* together, or remove "
        f"{path.name} and make it again with embed.py."
    )


def few_names(path: Path, rows: int) -> GuideError:
    """Return the error that there are more rows than names."""
    return GuideError(
        f"{names_of(path)}: holds fewer names than the {rows} rows of {path.name}. Copy all of {path.name}* again, or "
        f"remove {path.name} and make it again with embed.py."
    )


def lock(descriptor: int, path: Path) -> None:
    """Have a file or directory to oneself until its descriptor is closed; an error where another process has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise GuideError(
            f"{path}: another process is writing to it; wait for its end, or choose another --out."
        ) from None
    except OSError:  # a file system without locks
        pass


class ArrayWriter:
    """A .npy file of rows of `size` float32 that is made, or gone on with, by this process alone.

    Attributes:
        rows: how many rows there are, those included that are not yet committed.
    """

    def __init__(self, path: Path, size: int, made: Made) -> None:
        self.path, self.rows, self._size, self._made = path, 0, size, made
        make_folder(path.parent)
        if path.exists():
            check_regular(path)
        with contextlib.ExitStack() as opened:
            self._features = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            opened.callback(os.close, self._features)
            lock(self._features, path)
            begun = os.fstat(self._features).st_size > 0
            if begun:
                read_made(path).check(path, made.settings)
            else:  # the names first: a header is there once all is
                write_text(made_of(path), made.text() + "\n")
            self._names = self._open_names(begun=begun)
            opened.callback(os.close, self._names)
            self._names_end = 0
            if begun:
                self._recover()
            else:
                lines.write_at(self._features, array_header.header(0, size), 0, path)
            self._committed = self.rows
            self._opened = opened.pop_all()

    def _open_names(self, *, begun: bool) -> int:
        """Open the file with the names, which is there if the rows are."""
        try:
            return os.open(names_of(self.path), os.O_RDWR | (0 if begun else os.O_CREAT | os.O_TRUNC), 0o666)
        except FileNotFoundError:
            raise no_names(self.path) from None

    def _recover(self) -> None:
        """Find what is committed, and cut off what is not."""
        length = os.fstat(self._features).st_size
        first = os.pread(self._features, array_header.LENGTH, 0)
        self.rows, size = array_header.parse(first, length, self.path)
        if size != self._size:
            raise GuideError(f"{self.path}: has rows of {size} numbers, expected {self._size}.")
        end = lines.end_of(self._names, self.rows)
        if end is None:
            raise few_names(self.path, self.rows)
        self._names_end = end
        os.ftruncate(self._features, array_header.LENGTH + 4 * size * self.rows)
        os.ftruncate(self._names, end)

    def entries(self) -> Iterator[Entry]:
        """Yield the pictures of the rows."""
        return (Entry(*values) for values in lines.read(names_of(self.path), KINDS, self.rows))

    def add(self, entries: Sequence[Entry], features: NDArray[np.float32]) -> None:
        """Append rows, Nxsize float32, of as many pictures; they count once they are committed."""
        if features.shape != (len(entries), self._size) or features.dtype != np.float32:
            raise TypeError(f"features of shape {features.shape} and {features.dtype} cannot be stored")
        place = array_header.LENGTH + 4 * self._size * self.rows
        content = np.ascontiguousarray(features, "<f4").reshape(-1).view(np.uint8).data
        lines.write_at(self._features, content, place, self.path)
        names = b"".join(lines.line(entry) for entry in entries)
        lines.write_at(self._names, names, self._names_end, names_of(self.path))
        self._names_end += len(names)
        self.rows += len(entries)

    def commit(self) -> None:
        """Have all rows count, also after a kill or a loss of power."""
        if self.rows > self._committed:
            os.fsync(self._features)
            os.fsync(self._names)
            lines.write_at(self._features, array_header.header(self.rows, self._size), 0, self.path)
            self._committed = self.rows

    def finish(self) -> None:
        """Commit the last rows."""
        self.commit()

    def close(self) -> None:
        """Give the files free; what is not committed is cut off when they are opened again."""
        self._opened.close()
