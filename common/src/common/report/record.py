"""`origin.json`: what made stored detections, kept beside them, so that scoring them again says it too.

It also makes one unit of several files: while they are written it says so, and what a killed run left is not scored.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from common.errors import GuideError
from common.files import file_hash, read_bytes, write_json
from common.report.figures import Origin

NAME = "origin.json"


class _Record(msgspec.Struct):
    """What is known of the run; its pictures, counted; the SHA-256 of each file by its name, none while they are written."""

    dataset: str
    backend: str | None
    precision: str | None
    caveats: tuple[str, ...]
    pictures: int
    files: dict[str, str]
    provenance: dict[str, Any] = {}
    batch_size: int | None = None


@contextlib.contextmanager
def recorded(files: Sequence[Path], origin: Origin, pictures: int) -> Iterator[None]:
    """Record the origin of the files, all in one directory, that are written in the block, of that many pictures."""
    path = files[0].parent / NAME
    record = _Record(
        origin.dataset,
        origin.backend,
        origin.precision,
        origin.caveats,
        pictures,
        {},
        {**origin.provenance},
        origin.batch_size,
    )
    write_json(path, msgspec.to_builtins(record))
    yield
    record.files = {file.name: file_hash(file) for file in files}
    write_json(path, msgspec.to_builtins(record))


def recalled(files: Sequence[Path], unknown: Origin, pictures: int) -> Origin:
    """Return the recorded origin of files, with the seconds of `unknown`; that itself where none is recorded.

    Files that were not all written, by a run that was killed, are an error. That they are of fewer or more `pictures`
    than they are scored on joins the caveats.
    """
    path = files[0].parent / NAME
    try:
        record = msgspec.json.decode(read_bytes(path), type=_Record)
    except (FileNotFoundError, NotADirectoryError):
        return unknown
    except (GuideError, ValueError, RecursionError):  # ValueError: no JSON of this form, or no UTF-8
        print(f"note: {path} cannot be read; what made the detections is not known")
        return unknown
    if not record.files:
        raise GuideError(
            f"{path.parent}: the run that wrote the detections was interrupted; they may be of two runs. Run it again, "
            f"or remove {NAME} to have them scored as they are."
        )
    if any(not file.is_file() or record.files.get(file.name) != file_hash(file) for file in files):
        print(f"note: the detections are not those that {path} tells of; what made them is not known")
        return unknown
    others = (
        () if record.pictures == pictures else (f"detections in {record.pictures} of {pictures} pictures",)
    )
    return replace(
        unknown,
        dataset=record.dataset,
        backend=record.backend,
        precision=record.precision,
        caveats=(*record.caveats, *others),
        provenance={**record.provenance, **unknown.provenance},
        batch_size=record.batch_size,
    )
