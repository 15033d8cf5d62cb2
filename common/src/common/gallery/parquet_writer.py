"""Features and names that are written to Parquet part by part, so that a killed run goes on where it was.

The rows of the part that is not yet full are in a hidden .npy file in the directory, see `array_writer`, named after the part:
where that is there, they are left over.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.files import make_folder, staged
from common.gallery import array_header
from common.gallery.array_writer import ArrayWriter, lock, made_of, names_of
from common.gallery.made import Made
from common.gallery.parquet_format import (
    check_own,
    check_part,
    check_there,
    opened,
    part_name,
    parts_of,
    schema,
)
from common.gallery.walk import Entry

PART = 64 * 2**20  # bytes of features in a part, and of memory while it is written
GROUP = 16 * 2**20  # in a row group, which is read as a whole


class ParquetWriter:
    """A directory of part files that is made, or gone on with, by this process alone.

    Attributes:
        rows: how many rows there are, those included that are not yet committed.
    """

    def __init__(self, path: Path, size: int, made: Made) -> None:
        check_there()
        self.path, self._size, self._made = path, size, made
        make_folder(path)
        with contextlib.ExitStack() as kept:
            descriptor = os.open(path, os.O_RDONLY)
            kept.callback(os.close, descriptor)
            lock(descriptor, path)
            check_own(path)
            self._parts = parts_of(path)
            self._before = sum(map(self._checked, self._parts))
            tail = self._tail_of(len(self._parts))
            for left in path.glob(".rows-*"):
                if not left.name.startswith(tail.name):
                    left.unlink()
            self._tail = ArrayWriter(tail, size, made)
            kept.callback(lambda: self._tail.close())  # noqa: PLW0108  that of the last part
            self._end_full()  # as the killed run was about to do
            self._kept = kept.pop_all()

    @property
    def rows(self) -> int:  # noqa: D102  in the class's docstring
        return self._before + self._tail.rows

    def _tail_of(self, part: int) -> Path:
        return self.path / f".rows-{part:05d}.npy"

    def _checked(self, path: Path) -> int:
        """Return the rows of a part, which must be one of ours."""
        with opened(path) as file:
            size, made = check_part(path, file)
            made.check(self.path, self._made.settings)
            if size != self._size:
                raise GuideError(f"{path}: has rows of {size} numbers, expected {self._size}.")
            rows: int = file.metadata.num_rows
            return rows

    def entries(self) -> Iterator[Entry]:
        """Yield the pictures of the rows."""
        for path in self._parts:
            with opened(path) as file:
                for batch in file.iter_batches(columns=["name", "size", "modified"]):
                    for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                        yield Entry(*values)
        yield from self._tail.entries()

    def add(self, entries: Sequence[Entry], features: NDArray[np.float32]) -> None:
        """Append rows, Nxsize float32, of as many pictures, whose names are UTF-8; they count once they are committed."""
        self._tail.add(entries, features)
        self._end_full()

    def _end_full(self) -> None:
        """Write a part once there are rows for it."""
        if self._tail.rows * self._size * 4 >= PART:
            self._end_part()

    def _end_part(self) -> None:
        """Write the rows that are not yet in a part as one."""
        self._tail.commit()
        part = self.path / part_name(len(self._parts))
        with staged(part) as temporary:
            _write(temporary, self._tail, self._size, self._made)
        self._before += self._tail.rows
        self._parts.append(part)
        self._tail.close()
        _remove(self._tail.path)
        self._tail = ArrayWriter(self._tail_of(len(self._parts)), self._size, self._made)

    def commit(self) -> None:
        """Have all rows count, also after a kill or a loss of power."""
        self._tail.commit()

    def finish(self) -> None:
        """Write the last rows as a part, and leave nothing else."""
        if self._tail.rows:
            self._end_part()
        self._tail.close()
        _remove(self._tail.path)

    def close(self) -> None:
        """Give the files free; what is not committed is cut off when they are opened again."""
        self._kept.close()


def _write(path: Path, tail: ArrayWriter, size: int, made: Made) -> None:
    """Write the rows of a .npy file as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: list[Any] = list(map(list, zip(*tail.entries(), strict=True)))
    features = np.fromfile(tail.path, "<f4", tail.rows * size, offset=array_header.LENGTH)
    kinds = schema(size, made)
    listed = pa.FixedSizeListArray.from_arrays(pa.array(features), type=kinds.field("features").type)
    table = pa.Table.from_arrays([*map(pa.array, columns), listed], schema=kinds)
    # Features are all different: neither a dictionary nor compression makes them smaller.
    pq.write_table(
        table,
        path,
        row_group_size=max(1, GROUP // (4 * size)),
        compression="NONE",
        use_dictionary=False,
        write_statistics=False,
    )


def _remove(tail: Path) -> None:
    """Remove a .npy file and what stands beside it; itself first, for it is what counts."""
    for path in (tail, names_of(tail), made_of(tail)):
        path.unlink(missing_ok=True)
