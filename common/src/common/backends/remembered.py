"""What a trial of the runtimes found on this machine, kept in the user's cache for the next time.

Format: JSON, an object for each trial by the hash of what it was of: `key`, `date`, `taken`, `gain` and `tried`.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import cli
from common.errors import GuideError
from common.files import read_bytes, write_json

_MOST = 2**20  # bytes that are read of the file
_KEPT = 200  # trials, the newest ones


@dataclass(frozen=True)
class Choice:
    """A runtime on the CPU, and how many batches it runs at the same time; all cores work on a single one."""

    backend: str
    at_once: int

    def __str__(self) -> str:
        how = "all cores for one batch" if self.at_once == 1 else f"{self.at_once} batches at once"
        return f"{self.backend}, {how}"


@dataclass(frozen=True)
class Known:
    """What an earlier trial took, how much faster that was, when it was, and the file that says so."""

    taken: Choice
    gain: str
    date: str
    path: Path

    def __str__(self) -> str:
        return f"{self.taken}, taken from {self.path}: tried on {self.date}, {self.gain}; remove that file to try again"


def cache() -> Path | None:
    """Return the file in the user's cache, as the XDG base directory specification has it; None without a home."""
    told = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = Path(told) if Path(told).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return folder / "ascend-guides" / "trials.json" if folder.is_absolute() else None


def find(key: Mapping[str, Any], choices: Sequence[Choice]) -> Known | None:
    """Return what an earlier trial of the same found to be the fastest of `choices`, None if there was none.

    A file that is damaged, or not to be read, is as if it were not there.
    """
    path = cache()
    if path is None:
        return None
    match _read(path).get(_name(key)):
        case {
            "key": told,
            "date": str(date),
            "taken": [str(backend), int(count)],
            "gain": str(gain),
        }:
            choice = Choice(backend, count)
            if told == key and choice in choices:
                return Known(choice, gain, date, path)
    return None


def keep(key: Mapping[str, Any], taken: Choice, gain: str, tried: Mapping[str, str]) -> str:
    """Keep what a trial found, and return in words where, or why not.

    Another process may do so at the same time: then one of the two is tried again the next time.
    """
    path = cache()
    if path is None:
        return "not remembered: there is no home directory; set XDG_CACHE_HOME"
    date = dt.datetime.now(dt.timezone.utc).date().isoformat()
    found = {
        "key": dict(key),
        "date": date,
        "taken": [taken.backend, taken.at_once],
        "gain": gain,
        "tried": dict(tried),
    }
    known = _read(path)
    known.pop(_name(key), None)  # in the order of their making
    known[_name(key)] = found
    try:
        write_json(path, dict(list(known.items())[-_KEPT:]))
    except (OSError, GuideError) as error:
        return f"not remembered: {cli.message(error)}"
    return f"remembered in {path}"


def _name(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_bytes(path, _MOST))
        json.dumps(content, allow_nan=False)  # or it could not be written again
    except (OSError, GuideError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
