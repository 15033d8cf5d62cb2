"""Detections of one part of the data after the other, kept in one file until they are those of all pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.cli import shorten
from common.engine.shard import Shard
from common.engine.store import Store, code_hash
from common.npu_files.results import network_of, origin_of
from rfcn_voc.task import TASK
from rfcn_voc.voc import Voc

Array = NDArray[Any]
STORE = "shards.sqlite"
UNKNOWN = "unknown"


def join(
    path: Path, results: Path, shard: Shard, data: Voc, objects: Mapping[str, Array]
) -> dict[str, Array] | None:
    """Store the detections of a part, all or none; return those of all pictures, or None while there are not all.

    Parts of another network than that behind the directory `results`, and detections in pictures that have changed
    since, are not used. What is not used, and what is missing, is printed.
    """
    backend, precision = origin_of(results)
    network = network_of(results)
    run = {"network": network, "backend": backend, "precision": precision, "code": code_hash(TASK)}
    with Store(path, {name: value or UNKNOWN for name, value in run.items()}, data.pictures) as store:
        if store.forgotten:
            print(f"{path}: {store.forgotten} results of another network or other settings are not used")
        store.keep(objects.items(), len(objects))
        print(f"shard {shard}: the objects in {len(objects)} pictures are stored")
        missing = store.missing()
        if store.changed:
            print(f"{path}: {store.changed} results of pictures that have changed since are not used")
        if missing:
            every = [Shard(number, shard.count) for number in range(1, shard.count + 1)]
            others = [str(other) for other in every if any(stem in other for stem in missing)]
            print(f"run the other shards with the same --out: {shorten(others)} missing")
            return None
        if not network:
            print(f"note: {results} does not say which network made it; parts of others would join unnoticed")
        print(f"joined {shard.count} shards")
        return dict(store.read())
