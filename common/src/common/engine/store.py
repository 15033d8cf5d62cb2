"""Results that are kept as they come, so that an interrupted run goes on where it was.

One SQLite file: a batch is in it as a whole or not at all, also after kill -9 or on a full disk.
"""

from __future__ import annotations

import json
import math
import re
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import cli
from common.engine.task import Array, Source, file_of, particulars
from common.errors import GuideError
from common.files import file_hash

if TYPE_CHECKING:
    from typing_extensions import Self

WAIT = 60  # seconds for another process to end its writing
INTERVAL = 0.5  # seconds between writes; what came later than the last one is computed again after a kill
_PRAGMAS = {"application_id": 0x41474331, "user_version": 2}  # a store of ours, and the version of its tables
# Results of 50 KB are written in a fifth of the time that pages of 4 KiB take in a table WITHOUT ROWID.
_PAGE = 16384
_RUN = "CREATE TABLE run (settings TEXT NOT NULL)"
_RESULTS = """CREATE TABLE results (
    key BLOB PRIMARY KEY NOT NULL, source TEXT NOT NULL, dtype TEXT NOT NULL, shape TEXT NOT NULL, data BLOB NOT NULL,
    checksum INTEGER NOT NULL
)"""
# By the index, as `read` finds them: a result that is not in it is none.
_ALL = "SELECT * FROM results INDEXED BY sqlite_autoindex_results_1 ORDER BY key"
_DTYPE = re.compile(r"[<>|][biufcSU]\d{1,4}")  # numbers and texts: what bytes say whole
_Row = tuple[bytes, str, str, str, bytes, int]


class Store:
    """The results of one run over `sources`, by key, one array each.

    Results of another run (`run` has the network's hash, backend, precision, settings) are forgotten when the store is
    opened, those of an item whose file or annotation has changed when `missing` is asked. Parts computed elsewhere join by key.
    Several processes may fill one file; once one of another run opens it, those of the first get an error.

    Attributes:
        path: the file.
        forgotten: how many results of another run were there.
        changed: how many results `missing` last found to be of an item that has changed.
    """

    def __init__(self, path: Path, run: Mapping[str, str], sources: Mapping[str, Source]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self._sources = path, sources
        self._opened = time.time_ns()
        self._hashes: dict[Path, str] = {}
        self.changed = 0
        self._settings = _settings(run)
        with self._told():
            # By another thread while results are kept, and by that one only.
            self._database = sqlite3.connect(path, timeout=WAIT, check_same_thread=False)
        try:
            self.forgotten = self._begin()
        except BaseException:
            self._database.close()
            raise

    def _begin(self) -> int:
        """Make the tables, or forget what they hold of another run; return how many results that was."""
        self._database.execute(f"PRAGMA page_size = {_PAGE}")  # of a new file
        self._database.text_factory = lambda text: text.decode("utf-8", "replace")  # of a damaged file
        with self._changing():
            found = {
                sql for (sql,) in self._database.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL")
            }
            (kind,), (version,) = (self._database.execute(f"PRAGMA {p}").fetchone() for p in _PRAGMAS)
            if kind == _PRAGMAS["application_id"] and version != _PRAGMAS["user_version"]:
                for name in ("run", "results"):  # as another version of this program wrote it
                    self._database.execute(f"DROP TABLE IF EXISTS {name}")
                found = set()
            if not found:
                for pragma, value in _PRAGMAS.items():
                    self._database.execute(f"PRAGMA {pragma} = {value}")
                self._database.execute(_RUN)
                self._database.execute(_RESULTS)
            elif found != {_RUN, _RESULTS}:
                raise sqlite3.DatabaseError("it has other tables")
            if self._is_ours():
                return 0
            forgotten = self._database.execute("DELETE FROM results").rowcount
            self._database.execute("DELETE FROM run")
            self._database.execute("INSERT INTO run VALUES (?)", (self._settings,))
            return forgotten

    def _is_ours(self) -> bool:
        return self._database.execute("SELECT settings FROM run").fetchall() == [(self._settings,)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Close the file."""
        self._database.close()

    def missing(self) -> dict[str, Any]:
        """Return the sources without a result, and those that have changed since theirs was made."""
        keys = {_bytes(key): key for key in self._sources}
        stored: dict[str, str] = {}
        with self._told():
            for row in self._database.execute(_ALL):
                self._array(row)  # a damaged file is told before hours of work
                if row[0] in keys:
                    stored[keys[row[0]]] = row[1]
        known = set(stored)
        checked = cli.progress(sorted(known), len(known), "check", "file")
        changed = {key for key in checked if not stored[key] or stored[key] != self._hash(key)}
        self.changed = len(changed)
        known -= changed
        return {key: source for key, source in self._sources.items() if key not in known}

    def keep(self, results: Iterable[tuple[str, Array]], batch_size: int = 1) -> None:
        """Store results while they come, in the order and the batches in which they come.

        After an error in `results`, or Ctrl-C, all whole batches before it are stored.
        """
        batch: list[_Row] = []
        whole: list[_Row] = []
        written = time.monotonic()
        writing: Future[None] | None = None
        with ThreadPoolExecutor(1) as writer:  # results go on coming while the disk is waited for
            try:
                for key, array in results:
                    batch.append(self._row(key, array))
                    if len(batch) == batch_size:
                        whole += batch
                        batch.clear()
                        if time.monotonic() - written > INTERVAL:
                            if writing:
                                writing.result()
                            writing, whole = writer.submit(self._write, whole), []
                            written = time.monotonic()
                whole += batch
            finally:
                if writing:
                    writing.result()
                self._write(whole)

    def read(self) -> Iterator[tuple[str, Array]]:
        """Yield the results in the order of the sources; each of them must be there."""
        query = "SELECT * FROM results WHERE key = ? AND ? = (SELECT settings FROM run)"
        for key in self._sources:
            with self._told():
                row = self._database.execute(query, (_bytes(key), self._settings)).fetchone()
            if row is None:
                raise GuideError(f"{self.path}: holds no result for {key}; run the same command again.")
            yield key, self._array(row)

    def _row(self, key: str, array: Array) -> _Row:
        """Return what is stored of a result."""
        if not _DTYPE.fullmatch(array.dtype.str):
            raise TypeError(f"{key}: an array of {array.dtype} cannot be stored.")
        shape = json.dumps(array.shape)
        content = (_bytes(key), self._hash(key), array.dtype.str, shape, array.tobytes())
        return (*content, _checksum(content))

    def _array(self, row: _Row) -> Array:
        """Return the result of a row, read-only; in a damaged file it can hold anything."""
        *content, checksum = row
        dtype, shape, data = row[2:5]
        try:
            if checksum != _checksum(content) or not _DTYPE.fullmatch(dtype):
                raise ValueError
            sides, kind = json.loads(shape), np.dtype(dtype)
            whole = all(type(side) is int for side in sides)
            if not whole or math.prod(sides) * kind.itemsize != len(data):
                raise ValueError
            return np.frombuffer(data, kind).reshape(sides)
        except (ValueError, TypeError, OverflowError, RecursionError):
            raise self._damaged("a result is not what was written") from None

    def _write(self, rows: list[_Row]) -> None:
        with self._changing():
            if not self._is_ours():
                raise GuideError(
                    f"{self.path}: another run with other settings has taken this file; give each its own --out."
                )
            self._database.executemany("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)", rows)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Change the file as a whole or not at all, while others wait."""
        with self._told(), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield

    def _hash(self, key: str) -> str:
        """Return what tells the item that a result is made from from any other, nothing where that is not certain.

        A file that was written after the store was opened may be another than the one that was read.
        """
        source = self._sources[key]
        digest = self.hash_of(file_of(source))
        return digest and f"{digest} {particulars(source)}"

    def hash_of(self, path: Path) -> str:
        """Return the hash of a file, computed once; nothing where it is not certain that it is the one that was read."""
        if path not in self._hashes:
            try:
                digest = file_hash(path)
                self._hashes[path] = "" if path.stat().st_ctime_ns > self._opened else digest
            except FileNotFoundError:  # told by who reads it
                self._hashes[path] = ""
        return self._hashes[path]

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.OperationalError as error:  # full disk, no permission, another process that writes
            locked = "locked" in str(error)
            remedy = f"Another process has held it for {WAIT} seconds: end it" if locked else "Make room"
            raise GuideError(
                f"{self.path}: the results cannot be stored or read here: {error}. {remedy}, or choose another --out, "
                "and run the same command again."
            ) from None
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise  # a mistake of ours
            raise self._damaged(str(error)) from None
        except UnicodeDecodeError:  # of the words in which SQLite quotes a damaged file
            raise self._damaged("it holds what is no text") from None

    def _damaged(self, reason: str) -> GuideError:
        return GuideError(
            f"{self.path}: not a store of results, or damaged ({' '.join(reason.split())}); "
            "remove it, and run the same command again."
        )


def forget(path: Path, run: Mapping[str, str], keys: Iterable[str]) -> int:
    """Forget the results of these keys in a file, if it is a store of this run; return how many there were."""
    if not path.is_file():
        return 0
    query = "DELETE FROM results WHERE key = ? AND ? = (SELECT settings FROM run)"
    rows = [(_bytes(key), _settings(run)) for key in keys]
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(path, timeout=WAIT)) as database, database:
        return database.executemany(query, rows).rowcount
    return 0  # no store, which is told where it is needed


def _settings(run: Mapping[str, str]) -> str:
    return json.dumps(dict(run), sort_keys=True)


def _bytes(key: str) -> bytes:
    """Return a key as it is stored: names of files need not be UTF-8."""
    return key.encode("utf-8", "surrogatepass")


def _checksum(content: Sequence[Any]) -> int:
    """Return a checksum of all that a row holds beside it, texts and bytes."""
    total = 0
    for value in content:
        total = zlib.crc32(value.encode() if isinstance(value, str) else value, total)
    return total
