"""Going on with an interrupted step: which of its files are there already, and still the right ones."""

from __future__ import annotations

import contextlib
import json
import stat
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from common import alone, cli
from common.errors import GuideError
from common.files import file_hash, read_text, write_json
from common.threads import cores, map_threads

SETTLED = (
    2 * 10**9
)  # nanoseconds after which a file that is written again has another time of change for certain


def missing(
    record: Path,
    run: Mapping[str, Any],
    sources: Mapping[str, Path],
    targets: Callable[[str], Sequence[Path]],
    is_complete: Callable[[Path], bool] = Path.is_file,
    particulars: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the names in `sources` whose targets have to be made, and write down what this run is.

    Targets count if `record` says that a run with the same settings made them from a source of the same content, and
    with the same `particulars`, what a name stands for beside its file; targets of anything else are removed. A file
    whose path, size, inode and times are those in the record is not read again. Files must be written complete or not
    at all, see `files.staged`. The record's directory belongs to the command until its end, see `alone.take`.
    """
    alone.take(record.parent)
    before = _read(record)
    known = _known(before, run)
    files = _contents(set(sources.values()), before.get("files"))
    words = particulars or {}
    contents = {
        name: f"{files[path][0]} {words.get(name, '')}" for name, path in sources.items() if files[path][0]
    }
    for name in sources:
        if name not in contents or known.get(name) != contents[name]:
            for target in targets(name):
                target.unlink(missing_ok=True)
    seen = {str(path): found for path, found in files.items() if found[1]}
    write_json(record, {**run, "sources": known | contents, "files": seen})
    return [name for name in sources if not all(is_complete(target) for target in targets(name))]


def _read(record: Path) -> dict[str, Any]:
    """Return what a record holds, nothing of what is none."""
    with contextlib.suppress(OSError, ValueError, RecursionError, GuideError):
        found = json.loads(read_text(record))
        if isinstance(found, dict):
            return found
    return {}


def _known(before: Mapping[str, Any], run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the contents of the sources by name in a record of the same run, else none."""
    known = before.get("sources")
    same = {name: value for name, value in before.items() if name not in ("sources", "files")} == run
    return known if same and isinstance(known, dict) else {}


def _contents(paths: Collection[Path], seen: object) -> dict[Path, tuple[str, list[int]]]:
    """Return the hash of each file, and its size, inode and times where these will tell whether it has changed.

    `seen` is what the record says of them, by path; what it says of a file that has not changed is not computed again.
    What cannot be read has none: who makes something of it will tell.
    """
    before = seen if isinstance(seen, dict) else {}

    def content(path: Path) -> tuple[str, list[int]]:
        with contextlib.suppress(OSError):
            return read(path)
        return "", []

    def read(path: Path) -> tuple[str, list[int]]:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return "", []
        state = [found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns]
        match before.get(str(path)):
            case [str(known), last] if last == state:
                return known, state
        settled = time.time_ns() - found.st_ctime_ns > SETTLED
        return file_hash(path), state if settled else []

    ordered = sorted(paths)
    hashed = cli.progress(map_threads(content, ordered, cores()), len(ordered), "check", "file")
    return dict(zip(ordered, hashed, strict=True))
