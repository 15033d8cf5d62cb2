"""Rows of features that are stored as they come from the network, and the pictures that have none listed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from common.engine.unreadable import Unreadable
from common.errors import GuideError
from common.gallery.array_writer import ArrayWriter
from common.gallery.parquet_writer import ParquetWriter
from common.gallery.skipped import Skipped
from common.gallery.walk import Entry

INTERVAL = 1.0  # seconds between commits; what came later than the last one is computed again after a kill
Writer = ArrayWriter | ParquetWriter
Row = NDArray[np.float32] | Unreadable


def store_rows(
    rows: Iterable[tuple[Entry, Row]],
    writer: Writer,
    skipped: Skipped,
    batch_size: int,
    *,
    skip: bool,
    parquet: bool,
) -> None:
    """Store rows as they come, in whole batches of pictures, and so that they count every INTERVAL.

    After an error or Ctrl-C the whole batches before it are kept: so those after it are the same as without it.

    Args:
        rows: pictures in their order, each with its row or why there is none.
        writer: where the rows go.
        skipped: where the pictures go that have none.
        batch_size: of the batches of pictures.
        skip: whether a picture without a row is listed; it is an error otherwise.
        parquet: whether names have to be UTF-8.
    """
    batch: list[tuple[Entry, Row]] = []
    committed = time.monotonic()
    try:
        for entry, found in rows:
            row = found
            if parquet and not _is_utf8(entry.name):
                row = Unreadable(
                    f"{entry.name}: the name is no UTF-8, which Parquet needs; rename it, or write a .npy file."
                )
            if isinstance(row, Unreadable) and not skip:
                raise GuideError(
                    f"{row} Then run the same command again, which goes on, or add --skip-unreadable."
                )
            batch.append((entry, row))
            if len(batch) == batch_size:
                _add(batch, writer, skipped)
                batch.clear()
                if time.monotonic() - committed > INTERVAL:
                    writer.commit()
                    committed = time.monotonic()
        _add(batch, writer, skipped)
    finally:
        writer.commit()


def _add(batch: Sequence[tuple[Entry, Row]], writer: Writer, skipped: Skipped) -> None:
    """Store the rows of a batch, and list what is none."""
    entries: list[Entry] = []
    rows: list[NDArray[np.float32]] = []
    others: list[tuple[int, str, str]] = []
    for entry, row in batch:
        if isinstance(row, Unreadable):
            others.append((writer.rows + len(rows), entry.name, str(row)))
        else:
            entries.append(entry)
            rows.append(row)
    if others:
        skipped.add(others)
    if rows:
        writer.add(entries, np.stack(rows))


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
