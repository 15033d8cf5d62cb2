"""The pictures that could not be read, in a file beside the features: `[row, name, reason]` in each line.

The row is the one that the next picture got that could be read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from common.gallery import lines

KINDS = (int, str, str)


def skipped_of(path: Path) -> Path:
    """Return the file with the pictures that were skipped on the way to a file of features."""
    return path.with_name(f"{path.name}.skipped.jsonl")


class Skipped:
    """The file, which is made with its first line.

    Attributes:
        count: how many pictures are listed.
    """

    def __init__(self, path: Path, rows: int, batch_size: int) -> None:
        """Keep what stands before the end of the batch in which the last of the committed rows is."""
        self.path, self.count = skipped_of(path), 0
        if not self.path.exists():
            return
        before = sum(1 for row, *_ in lines.read(self.path, KINDS) if row < rows)
        border = -(-(rows + before) // batch_size) * batch_size
        whole = sum(1 for row, *_ in lines.read(self.path, KINDS) if row <= rows)
        self.count = min(whole, border - rows) if rows else 0
        if not self.count:
            self.path.unlink()
            return
        descriptor = os.open(self.path, os.O_RDWR)
        try:
            os.ftruncate(descriptor, lines.end_of(descriptor, self.count) or 0)
        finally:
            os.close(descriptor)

    def read(self) -> Iterator[tuple[int, str]]:
        """Yield row and name of what is listed."""
        if self.count:
            for row, name, _ in lines.read(self.path, KINDS, self.count):
                yield row, name

    def add(self, pictures: Sequence[tuple[int, str, str]]) -> None:
        """List pictures: row, name, reason; what is added before a commit of the rows is there after it."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666)
        try:
            text = b"".join(lines.line((row, name, reason[:1000])) for row, name, reason in pictures)
            lines.write_at(descriptor, text, os.fstat(descriptor).st_size, self.path)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self.count += len(pictures)
