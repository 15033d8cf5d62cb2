"""Which pictures of a directory have no row yet: those that come after the pictures of all rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from common import cli
from common.errors import GuideError
from common.gallery.array_writer import ArrayWriter
from common.gallery.parquet_writer import ParquetWriter
from common.gallery.skipped import Skipped
from common.gallery.walk import Entry, walk


def left(folder: Path, writer: ArrayWriter | ParquetWriter, skipped: Skipped) -> Iterator[Entry]:
    """Return the pictures without a row, after those of all rows were found in their order, as they were."""
    found = walk(folder)
    passed = skipped.read()
    upcoming = next(passed, None)
    entry = next(found, None)

    def after(row: int) -> Entry | None:
        """Return the first picture that was not skipped before a row."""
        nonlocal entry, upcoming
        while upcoming and upcoming[0] <= row:
            if entry and entry.name == upcoming[1]:
                entry = next(found, None)
            upcoming = next(passed, None)
        return entry

    row = -1
    for row, stored in enumerate(cli.progress(writer.entries(), writer.rows, "check", "file")):
        there = after(row)
        if there != stored:
            state = (
                "has changed since"
                if there and there.name == stored.name
                else f"is not where row {row} has it"
            )
            beside = f"; found {there.name} there" if there and there.name != stored.name else ""
            raise GuideError(
                f"{folder}: the picture {stored.name} {state}{beside}. {writer.path} has its features, and goes on only "
                "with the pictures that it was begun with, and others whose names come after them. Put them back, or "
                "choose another --out."
            )
        entry = next(found, None)
    if row + 1 != writer.rows:
        raise GuideError(
            f"{writer.path}: damaged: it has {writer.rows} rows and {row + 1} names; make it again."
        )
    first = after(writer.rows)
    return chain([first] if first else [], found)
