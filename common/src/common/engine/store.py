"""Results that are kept as they come, so that an interrupted run goes on where it was.

One SQLite file: a batch is in it as a whole or not at all, also after kill -9 or on a full disk.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import cli
from common.engine.task import Array, Source, file_of
from common.errors import GuideError
from common.files import file_hash

if TYPE_CHECKING:
    from typing_extensions import Self

INTERVAL = 1.0  # seconds between writes; what came later than the last one is computed again after a kill
_SCHEMA = """
CREATE TABLE IF NOT EXISTS run (settings TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY, source TEXT NOT NULL, dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL
) WITHOUT ROWID;
"""
_Row = tuple[str, str, str, str, bytes]


class Store:
    """The results of one run over `sources`, by key, one array each.

    Results of another run (`run` has the network's hash, backend, precision, settings) are forgotten when the store is
    opened, those of a file whose content has changed when `missing` is asked. Parts computed elsewhere join by key.

    Attributes:
        path: the file.
        forgotten: how many results of another run were there.
    """

    def __init__(self, path: Path, run: Mapping[str, str], sources: Mapping[str, Source]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._sources = path, sources
        self._hashes: dict[Path, str] = {}
        settings = json.dumps(dict(run), sort_keys=True)
        with self._told():
            self._database = sqlite3.connect(path, timeout=60)
            self._database.executescript(_SCHEMA)
            with self._database:
                known = self._database.execute("SELECT settings FROM run").fetchone()
                self.forgotten = 0
                if known != (settings,):
                    self.forgotten = self._database.execute("DELETE FROM results").rowcount
                    self._database.execute("DELETE FROM run")
                    self._database.execute("INSERT INTO run VALUES (?)", (settings,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the file."""
        self._database.close()

    def missing(self) -> dict[str, Any]:
        """Return the sources without a result, and those whose file has another content than when it was made."""
        with self._told():
            stored = dict(self._database.execute("SELECT key, source FROM results"))
        known = {key for key in stored if key in self._sources}
        for key in cli.progress(sorted(known), len(known), "check"):
            if stored[key] != self._hash(key):
                known.remove(key)
        return {key: source for key, source in self._sources.items() if key not in known}

    def keep(self, results: Iterable[tuple[str, Array]], batch_size: int = 1) -> None:
        """Store results while they come, in the order and the batches in which they come.

        After an error in `results`, or Ctrl-C, all whole batches before it are stored.
        """
        batch: list[_Row] = []
        whole: list[_Row] = []
        written = time.monotonic()
        try:
            for key, array in results:
                batch.append(
                    (key, self._hash(key), array.dtype.str, json.dumps(array.shape), array.tobytes())
                )
                if len(batch) == batch_size:
                    whole += batch
                    batch.clear()
                    if time.monotonic() - written > INTERVAL:
                        self._write(whole)
                        whole.clear()
                        written = time.monotonic()
            whole += batch
        finally:
            self._write(whole)

    def read(self) -> Iterator[tuple[str, Array]]:
        """Yield the results in the order of the sources; each of them must be there."""
        for key in self._sources:
            with self._told():
                query = "SELECT dtype, shape, data FROM results WHERE key = ?"
                row = self._database.execute(query, (key,)).fetchone()
            if row is None:
                raise GuideError(f"{self.path}: holds no result for {key}.")
            yield key, self._array(*row)

    def _array(self, dtype: str, shape: str, data: bytes) -> Array:
        try:
            sides, kind = json.loads(shape), np.dtype(dtype)
            if kind.hasobject or math.prod(sides) * kind.itemsize != len(data):
                raise ValueError
            return np.frombuffer(data, kind).reshape(sides)
        except (ValueError, TypeError):
            raise GuideError(f"{self.path}: is damaged; remove it, and run the same command again.") from None

    def _write(self, rows: list[_Row]) -> None:
        with self._told(), self._database:
            self._database.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?)", rows)

    def _hash(self, key: str) -> str:
        """Return the hash of what a result is made from."""
        path = file_of(self._sources[key])
        if path not in self._hashes:
            try:
                self._hashes[path] = file_hash(path)
            except FileNotFoundError:  # told by who reads it
                self._hashes[path] = ""
        return self._hashes[path]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.OperationalError as error:  # full disk, no permission, another process that writes
            raise GuideError(f"{self.path}: the results cannot be stored or read here: {error}.") from None
        except sqlite3.DatabaseError as error:
            raise GuideError(
                f"{self.path}: not a store of results, or damaged ({error}); remove it, and run the same command again."
            ) from None


def code_hash(task: Any) -> str:
    """Return the hash of the package that a task comes from: with other code its results are others."""
    folder = Path(task.finish.__code__.co_filename).parent
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
