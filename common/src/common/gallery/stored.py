"""Reading stored features, block by block: from a .npy file, or from a directory of Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.files import check_regular
from common.gallery import array_header, lines
from common.gallery.array_writer import KINDS, few_names, names_of, no_names, read_made
from common.gallery.made import Made
from common.gallery.parquet_format import check_part, check_there, opened, parts_of

Float32 = NDArray[np.float32]
SUFFIXES = (".npy", ".parquet")
BLOCK = 16 * 2**20  # bytes that a thread is given at a time
_PIECE = 2**19  # that are read at once, and computed while they are in the processor's cache


class Block(NamedTuple):
    """Some rows on end: the number of the first, how many, and where they are: a part and the number of a row group."""

    first: int
    length: int
    part: int = 0
    group: int = 0


class Stored(Protocol):
    """Stored features, of which no more than a block is held; several threads may read at once.

    Attributes:
        path: the file or directory.
        rows: how many there are.
        size: how many float32 each has.
        made: what they are made with.
        blocks: all of them.
    """

    path: Path
    rows: int
    size: int
    made: Made
    blocks: Sequence[Block]

    def read(self, block: Block) -> Iterator[Float32]:
        """Yield the rows of a block in their order, in arrays of one or more."""

    def names(self, rows: Sequence[int]) -> list[str]:
        """Return the names of the pictures of some rows."""


def open_stored(path: Path) -> Stored:
    """Open what embed.py has written, by the suffix; what is damaged, or not its own, is an error."""
    if not path.exists():
        raise GuideError(f"{path}: no such file of features; make it with embed.py.")
    if path.suffix == ".parquet":
        return _Parquet(path)
    return _Array(path)


class _Array:
    """A .npy file and the names beside it; rows that another process is just writing are not there yet."""

    def __init__(self, path: Path) -> None:
        check_regular(path)
        self.path, self.made = path, read_made(path)
        with path.open("rb") as file:
            first = file.read(array_header.LENGTH)
            self.rows, self.size = array_header.parse(first, os.fstat(file.fileno()).st_size, path)
        try:
            check_regular(names_of(path))
        except FileNotFoundError:
            raise no_names(path) from None
        with names_of(path).open("rb") as file:
            if lines.end_of(file.fileno(), self.rows) is None:
                raise few_names(path, self.rows)
        step = max(1, BLOCK // (4 * self.size))
        self.blocks: Sequence[Block] = [Block(i, min(step, self.rows - i)) for i in range(0, self.rows, step)]

    def read(self, block: Block) -> Iterator[Float32]:
        step = max(1, _PIECE // (4 * self.size))
        with self.path.open("rb", buffering=0) as file:
            file.seek(array_header.LENGTH + 4 * self.size * block.first)
            piece = np.empty((min(step, block.length), self.size), "<f4")
            for start in range(0, block.length, step):
                rows = piece[: block.length - start]
                if file.readinto(rows.reshape(-1).view(np.uint8).data) != rows.nbytes:
                    raise GuideError(f"{self.path}: has become shorter while it was read; run this again.")
                yield rows

    def names(self, rows: Sequence[int]) -> list[str]:
        found = lines.pick(names_of(self.path), KINDS, rows)
        return [found[row][0] for row in rows]


class _Parquet:
    """A directory of part files; rows that are not yet in a part are not there."""

    def __init__(self, path: Path) -> None:
        check_there()
        if not path.is_dir():
            raise GuideError(f"{path}: not a directory of Parquet files, as embed.py writes it.")
        self.path, self._parts = path, parts_of(path)
        if not self._parts:
            raise GuideError(f"{path}: holds no part yet; let embed.py end first.")
        blocks = []
        self.rows = 0
        found = None
        for number, part in enumerate(self._parts):
            with opened(part) as file:
                of_part = check_part(part, file)
                counts = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            found = found or of_part
            if of_part != found:
                raise GuideError(
                    f"{part}: made in another way than {self._parts[0].name}; they are not one gallery."
                )
            for group, count in enumerate(counts):
                if count:
                    blocks.append(Block(self.rows, count, number, group))
                self.rows += count
            self.size, self.made = found
        self.blocks: Sequence[Block] = blocks

    def read(self, block: Block) -> Iterator[Float32]:
        with opened(self._parts[block.part]) as file:
            column = file.read_row_group(block.group, columns=["features"], use_threads=False).column(0)
            count = 0
            for chunk in column.chunks:
                values = chunk.flatten()
                if chunk.null_count or values.null_count or len(values) != self.size * len(chunk):
                    raise GuideError(f"{self._parts[block.part]}: damaged: it lacks values; make it again.")
                count += len(chunk)
                step = max(1, _PIECE // (4 * self.size))
                rows = values.to_numpy().reshape(-1, self.size)
                for start in range(0, len(rows), step):
                    yield rows[start : start + step]
            if count != block.length:
                raise GuideError(f"{self._parts[block.part]}: damaged: it lacks rows; make it again.")

    def names(self, rows: Sequence[int]) -> list[str]:
        found: dict[int, str] = {}
        for block in self.blocks:
            wanted = [row for row in rows if block.first <= row < block.first + block.length]
            if wanted:
                with opened(self._parts[block.part]) as file:
                    names = file.read_row_group(block.group, columns=["name"]).column(0).to_pylist()
                if len(names) != block.length or None in names:
                    raise GuideError(f"{self._parts[block.part]}: damaged: it lacks names; make it again.")
                found |= {row: names[row - block.first] for row in wanted}
        return [found[row] for row in rows]
