"""Texts in a file, a JSON list in each line: any name can stand in one, and what a kill cut off is told by its line end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from common.errors import GuideError
from common.files import check_regular

_BLOCK = 1 << 20
_LONGEST = 1 << 16  # bytes of a line: a path of 4096 bytes, each of them six characters, and a reason


def line(values: Sequence[Any]) -> bytes:
    """Return a line, ASCII; a name that is no UTF-8 becomes itself again when it is read."""
    return json.dumps(values, separators=(",", ":")).encode("ascii") + b"\n"


def read(path: Path, kinds: Sequence[type], stop: int | None = None) -> Iterator[list[Any]]:
    """Yield the lists of the first `stop` lines, all whole ones by default, each of values of these types."""
    for number, text in enumerate(islice(_texts(path), stop), 1):
        if text.endswith(b"\n") or stop is not None:
            yield _values(text, kinds, path, number)  # else a kill has cut it off, and it is the last


def pick(path: Path, kinds: Sequence[type], numbers: Iterable[int]) -> dict[int, list[Any]]:
    """Return the lists of some lines by their numbers, from 0; each has to be there."""
    wanted = set(numbers)
    texts = islice(_texts(path), max(wanted, default=-1) + 1)
    return {
        number: _values(text, kinds, path, number + 1)
        for number, text in enumerate(texts)
        if number in wanted
    }


def _texts(path: Path) -> Iterator[bytes]:
    check_regular(path)
    with path.open("rb") as file:
        while text := file.readline(_LONGEST):
            yield text


def _values(text: bytes, kinds: Sequence[type], path: Path, number: int) -> list[Any]:
    """Return the list of a line."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if (
        not text.endswith(b"\n")
        or not isinstance(values, list)
        or [type(each) for each in values] != list(kinds)
    ):
        raise GuideError(f"{path}:{number}: damaged; remove what embed.py made, and make it again.")
    return values


def end_of(descriptor: int, count: int) -> int | None:
    """Return the bytes that the first `count` lines of a file take, None where there are fewer."""
    place = 0
    while count:
        block = os.pread(descriptor, _BLOCK, place)
        if not block:
            return None
        found = block.count(b"\n")
        if found >= count:
            at = -1
            for _ in range(count):
                at = block.index(b"\n", at + 1)
            return place + at + 1
        count -= found
        place += len(block)
    return place


def write_at(descriptor: int, data: bytes | memoryview, place: int, path: Path) -> None:
    """Write all bytes at a place of an open file; an error names the file."""
    view = memoryview(data)
    try:
        while view:  # a write may be partial, on a nearly full disk for one
            written = os.pwrite(descriptor, view, place)
            view, place = view[written:], place + written
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
