"""What the results of a run follow from, beside its items."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from common.backends.base import Backend
from common.report.versions import packages


def settings_of(deployed: Backend, task: Any, batch_size: int) -> dict[str, str]:
    """Return what the results of a run follow from, beside its items: with another of these they can be others."""
    return {
        "network": deployed.identity,
        "backend": deployed.name,
        "precision": deployed.precision,
        "batch size": str(batch_size),
        "code": code_hash(task),
        **packages(),
    }


def code_hash(task: Any) -> str:
    """Return the hash of the package that a task comes from: with other code its results are others."""
    folder = Path(task.finish.__code__.co_filename).parent
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
