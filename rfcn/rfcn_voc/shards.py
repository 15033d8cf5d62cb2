"""Detections of one part of the data after the other, kept in one file until they are those of all pictures.

Beside the detections in a picture stands the hash of the result files that they were made of.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import shorten
from common.engine.settings import code_hash
from common.engine.shard import Shard
from common.engine.store import Store, forget
from common.files import file_hash
from common.npu_files.results import Results, network_of, origin_of
from rfcn_voc.task import TASK
from rfcn_voc.voc import Voc

Array = NDArray[Any]
STORE = "shards.sqlite"
UNKNOWN = "unknown"


def hash_results(results: Results, stem: str) -> str:
    """Return the hash of a picture's result files, "" where none of them is there."""
    hashes = []
    for k in range(len(results.shapes)):
        with contextlib.suppress(FileNotFoundError):
            hashes.append(f"{k} {file_hash(Path(results.path(stem, k)))}")
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest() if hashes else ""


def drop(path: Path, folder: Path, shard: Shard, stems: Iterable[str]) -> None:
    """Forget what was stored of a part, which could not be made again of the results in `folder`."""
    if folder.is_dir() and forget(path, _run(folder), _keys(stems)):
        print(f"shard {shard}: what is stored of it is not used any more")


def join(
    path: Path,
    results: Results,
    hashes: Mapping[str, str],
    shard: Shard,
    data: Voc,
    objects: Mapping[str, Array],
) -> dict[str, Array] | None:
    """Store the detections of a part, all or none; return those of all pictures, or None while there are not all.

    Not used are parts of another network than that behind `results`, detections in pictures that have changed since,
    and those of result files that are others now, or not all there. What is not used, and what is missing, is printed.

    Args:
        path: the file they are kept in.
        results: the part's result files; there may be those of other parts in their directory.
        hashes: of the part's result files, see `hash_results`, as they were before they were read.
        shard: the part.
        data: all pictures.
        objects: the part's detections by stem, see `postprocessing.detect`.
    """
    run = _run(results.folder)
    sources = {key: picture for stem, picture in data.pictures.items() for key in _keys([stem])}
    with Store(path, run, sources) as store:
        if store.forgotten:
            print(f"{path}: {store.forgotten // 2} results of another network or other settings are not used")
        pairs = [(stem, _made_of(stem)) for stem in objects]
        rows = [row for stem, key in pairs for row in ((stem, objects[stem]), (key, np.array(hashes[stem])))]
        store.keep(rows, len(rows))
        print(f"shard {shard}: the objects in {len(objects)} pictures are stored")
        missing = store.missing()
        if store.changed:
            print(f"{path}: {store.changed // 2} results of pictures that have changed since are not used")
        lacking = [stem for stem in data.pictures if stem in missing]
        stored = {} if lacking else dict(store.read())
        others = {
            stem: hash_results(results, stem) for stem in data.pictures if stored and stem not in objects
        }
        if stale := [
            stem for stem, found in others.items() if found not in ("", str(stored[_made_of(stem)]))
        ]:
            print(f"{path}: {len(stale)} results of files that have changed since are not used")
            forget(path, run, _keys(stale))
            lacking = stale
        if lacking:
            every = [Shard(number, shard.count) for number in range(1, shard.count + 1)]
            rest = [str(other) for other in every if any(stem in other for stem in lacking)]
            print(f"run the other shards with the same --out: {shorten(rest)} missing")
            return None
        if run["network"] == UNKNOWN:
            print(
                f"note: {results.folder} does not say which network made it; parts of others would join unnoticed"
            )
        print(f"joined {shard.count} shards")
        return {stem: stored[stem] for stem in data.pictures}


def _run(folder: Path) -> dict[str, str]:
    """Return what made the results in a directory, and what makes detections of them."""
    backend, precision = origin_of(folder)
    run = {"network": network_of(folder), "backend": backend, "precision": precision, "code": code_hash(TASK)}
    return {name: value or UNKNOWN for name, value in run.items()}


def _made_of(stem: str) -> str:
    """Return the key of the hash of a picture's result files; no picture's name has a space."""
    return f"{stem} results"


def _keys(stems: Iterable[str]) -> list[str]:
    return [key for stem in stems for key in (stem, _made_of(stem))]
