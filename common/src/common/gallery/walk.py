"""The pictures of a directory and of those in it, one by one, however many they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from common.errors import GuideError
from common.images.read import SUFFIXES


class Entry(NamedTuple):
    """What is recorded of a picture: its name, and what tells it from a changed one.

    `name` is relative to the directory, with `/`; bytes of it that are no UTF-8 are surrogate escapes. `size` is in
    bytes, `modified` the time of the last change in nanoseconds; both are -1 of a link that leads nowhere.
    """

    name: str
    size: int
    modified: int


def walk(folder: Path) -> Iterator[Entry]:
    """Yield the pictures in a directory and in those below it, in the order of their names, character by character.

    Only the listings of the directories on the way to the picture are held. Files are taken by their suffixes; names
    that begin with a dot are left out; links to files are followed, links to directories are not. A directory that is
    not there is an error.
    """
    if not folder.is_dir():
        raise GuideError(f"{folder}: no such directory.")
    return _walk(os.fspath(folder), "")


def _walk(folder: str, prefix: str) -> Iterator[Entry]:
    for name in _listed(folder):
        path = f"{folder}/{name}"
        if name.endswith("/"):
            yield from _walk(path[:-1], f"{prefix}{name}")
        else:
            yield Entry(f"{prefix}{name}", *_state(path))


def _listed(folder: str) -> list[str]:
    """Return the names of pictures and, with a slash at the end, of directories; sorted like the paths below them."""
    with os.scandir(folder) as entries:
        return sorted(
            f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name
            for entry in entries
            if not entry.name.startswith(".")
            and (entry.is_dir(follow_symlinks=False) or os.path.splitext(entry.name)[1].lower() in SUFFIXES)  # noqa: PTH122  a Path for each of millions
        )


def _state(path: str) -> tuple[int, int]:
    """Return a file's size and time; a missing one is told by who reads it."""
    try:
        found = os.stat(path)  # noqa: PTH116  as above
    except OSError:
        return -1, -1
    return found.st_size, found.st_mtime_ns
