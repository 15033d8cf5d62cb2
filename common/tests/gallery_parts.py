"""What the tests of stored features share: entries, writers, and a gallery of given rows in both forms."""

from __future__ import annotations

import numpy as np

from common.gallery.array_writer import ArrayWriter
from common.gallery.made import Made
from common.gallery.parquet_writer import ParquetWriter
from common.gallery.walk import Entry

MADE = Made("/pictures", {"network": "a network"})
WRITERS = {"features.npy": ArrayWriter, "features.parquet": ParquetWriter}


def entries(count, first=0):
    return [
        Entry(f"{number:04}.jpg", 100 + number, 10**18 + number) for number in range(first, first + count)
    ]


def opened(path, size=3, made=MADE):
    return WRITERS[f"features{path.suffix}"](path, size, made)


def write(path, rows, made=MADE, names=None):
    """Write a whole gallery."""
    writer = opened(path, rows.shape[1], made)
    writer.add(names or entries(len(rows)), rows)
    writer.finish()
    writer.close()
    return path


def numbered(count, size=3, first=0):
    """Return rows that tell their number."""
    return np.arange(first * size, (first + count) * size, dtype=np.float32).reshape(count, size)


def content(folder):
    """Return the bytes of all files below a directory by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
