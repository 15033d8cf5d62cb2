"""Going on with an interrupted step: which of its files are there already, and still the right ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from common.files import write_json


def missing(
    record: Path,
    run: Mapping[str, Any],
    sources: Mapping[str, Path],
    targets: Callable[[str], Sequence[Path]],
    is_complete: Callable[[Path], bool] = Path.is_file,
    particulars: Mapping[str, str] | None = None,
) -> list[str]:
    """Return the names in `sources` whose targets have to be made, and write down what this run is.

    Targets count if `record` says that a run with the same settings made them from the same source file, told by
    path, inode and time of change, and with the same `particulars`, what a name stands for beside its file; targets of
    anything else are removed. Files must be written complete or not at all, see `files.staged`.
    """
    identities = {name: _identity(path) for name, path in sources.items()}
    for name, words in (particulars or {}).items():
        if words:
            identities[name].append(words)
    known = _known(record, run)
    for name, identity in identities.items():
        if known.get(name) != identity:
            for target in targets(name):
                target.unlink(missing_ok=True)
    write_json(record, {**run, "sources": known | identities})
    return [name for name in sources if not all(is_complete(target) for target in targets(name))]


def _known(record: Path, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identities of the sources in a record of the same run, else none."""
    try:
        before = json.loads(record.read_text(encoding="utf-8"))
        known = before.pop("sources")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return known if before == run and isinstance(known, dict) else {}


def _identity(path: Path) -> list[Any]:
    """Tell a file from any other, and from itself before it was written again or replaced."""
    found = path.stat()
    return [str(path.resolve()), found.st_ino, found.st_ctime_ns]
