"""Where figures come from: what they were made of, by hashes, and which command made them, when and on which machine."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import resource
import socket
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from common import cli, kernel, process
from common.errors import GuideError
from common.files import hash_once

GIT = 5.0  # seconds for git to answer; it needs some milliseconds, and a file system that hangs never answers
MOST = 1_000_000  # files of a data set that are looked at; the largest published one has 40,000
_REVISION = re.compile(r"[0-9a-f]{40,64}(-dirty)?")
Key = tuple[int, int]  # a directory's device and inode
Entry = tuple[bytes, int]  # a file's name below the directory, and its size in bytes


def of_run() -> dict[str, Any]:
    """Return the command line of this process, the directory it runs in, the time in UTC, and the machine."""
    return {
        "command": process.quote(["python", *sys.orig_argv[1:]]),
        "directory": _working_directory(),
        "date": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "cpu": kernel.cpu_model(),
    }


def _working_directory() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # removed since
        return None


def of_inputs(folder: Path, data: Iterable[Path | None], out: Path, **more: Any) -> dict[str, Any]:
    """Return the revision of the code in a model directory, the data set, and what `more` there is.

    Args:
        folder: the model directory.
        data: where the data set is, directories and files.
        out: where figures are written to, which is no part of a data set that it is in.
        more: what joins it, by name.
    """
    places = [path for path in data if path]
    return {"git": revision(folder), "dataset": of_data(places, out) if places else None, **more}


def of_file(path: Path | None, sha256: str | None = None) -> dict[str, Any] | None:
    """Return a file's name and SHA-256, which is computed unless it is known; None for no file."""
    return None if path is None else {"file": str(path), "sha256": sha256 or hash_once(path)}


def of_data(places: Iterable[Path], out: Path) -> dict[str, Any]:
    """Return what tells a data set from another: how many files and bytes, and a SHA-256 of their names and sizes.

    All files in a directory count, those in linked directories, too, but none whose name begins with a dot. What cannot
    be looked at is listed, and there is no hash then.
    """
    unreadable: list[str] = []
    found: list[Entry] = []
    listed = [str(place) for place in places]
    entered = {_key(str(out))} - {None, *map(_key, listed)}
    for place in listed:
        for entry in cli.progress(_files(place, entered, unreadable), None, "data set", "file"):
            found.append(entry)
            if len(found) > MOST:
                return {"places": listed, "files": f"more than {MOST}", "sha256 of names and sizes": None}
    digest = hashlib.sha256()
    for name, size in sorted(found):
        digest.update(b"%b\0%d\n" % (name, size))
    return {
        "places": listed,
        "files": len(found),
        "bytes": sum(size for _, size in found),
        "sha256 of names and sizes": None if unreadable else digest.hexdigest(),
        **({"unreadable": cli.shorten(unreadable)} if unreadable else {}),
    }


def _files(place: str, entered: set[Key | None], unreadable: list[str]) -> Iterator[Entry]:
    """Yield the files at a place, of a file itself; directories that were `entered` are not entered again."""
    if (path := Path(place)).is_file():
        yield os.fsencode(path.name), path.stat().st_size
        return
    todo = [(place, b"")]
    while todo:
        folder, below = todo.pop()
        if (key := _key(folder)) in entered:
            continue
        entered |= {key} - {None}
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            unreadable.append(f"{folder}: {error.strerror}")
            continue
        for entry in entries:
            name = below + os.fsencode(entry.name)
            if entry.name.startswith("."):
                continue
            if Path(entry.path).is_dir():
                todo.append((entry.path, name + b"/"))
            else:
                yield name, _size(entry)


def _key(folder: str) -> Key | None:
    """Return what tells a directory from all others under whatever name; None for what is none."""
    try:
        found = Path(folder).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_size
    except OSError:  # a link to nothing
        return 0


def revision(folder: Path) -> str | None:
    """Return the git revision of the code in a directory, with "-dirty" where files of it were changed since.

    None where git has no such directory, or none of it: a copy in another repository is no revision of that one.
    """
    try:
        if not _git(folder, "ls-files", "--error-unmatch", "model.toml"):
            return None
        words = _git(folder, "describe", "--always", "--dirty", "--abbrev=64", "--exclude=*")
    except (GuideError, OSError):  # no git, or one that gives no answer
        return None
    return next((word for word in words.split() if _REVISION.fullmatch(word)), None)


def _git(folder: Path, *words: str) -> str:
    """Return what git says of a directory, nothing where it fails; it changes nothing, and runs nothing that is configured."""
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *words]
    code, printed = process.run(command, "", seconds=GIT, capture=True)
    return "" if code else printed.strip()


def peak_memory() -> float:
    """Return the most memory that this process has had at any time so far, in MiB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (2**20 if sys.platform == "darwin" else 2**10), 1)
