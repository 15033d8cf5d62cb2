"""Detections of one part of the data after the other: `shard_K_of_N/` beside what becomes of all of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.engine.shard import Shard
from common.files import write_text
from rfcn_voc.detections import result_file, write_detections
from rfcn_voc.voc import CLASSES, Voc

_WHOLE = "complete"  # written last


def add(out: Path, shard: Shard, part: Voc, objects: Mapping[str, NDArray[Any]]) -> list[Shard]:
    """Store a shard's detections, by stem as `postprocessing.detect` returns them; return the shards still missing."""
    folder = _folder(out, shard)
    (folder / _WHOLE).unlink(missing_ok=True)
    write_detections(folder, part, objects)
    write_text(folder / _WHOLE, f"{len(part.pictures)} pictures\n")
    return [other for other in _all(shard.count) if not (_folder(out, other) / _WHOLE).is_file()]


def join(out: Path, count: int, data: Voc) -> datetime:
    """Write the result files of all pictures from those of all shards, in the order of test.txt, and remove those.

    Returns when the oldest was stored: one of an earlier run should not join unnoticed.
    """
    oldest = min((_folder(out, shard) / _WHOLE).stat().st_mtime for shard in _all(count))
    order = {picture.name: i for i, picture in enumerate(data.pictures.values())}
    for name in CLASSES:
        files = [result_file(_folder(out, shard), name) for shard in _all(count)]
        lines = [
            line for file in files for line in file.read_text(encoding="utf-8").splitlines(keepends=True)
        ]
        lines.sort(key=lambda line: order.get(line.partition(" ")[0], len(order)))
        write_text(result_file(out, name), "".join(lines))
    for shard in _all(count):
        shutil.rmtree(_folder(out, shard))
    return datetime.fromtimestamp(oldest).astimezone()


def _all(count: int) -> list[Shard]:
    return [Shard(number, count) for number in range(1, count + 1)]


def _folder(out: Path, shard: Shard) -> Path:
    return out / f"shard_{shard.number}_of_{shard.count}"
