"""What a run left in its directory: metrics.json, and the details beside it, as far as they can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.errors import GuideError
from common.files import read_bytes
from common.report import details
from common.report.metrics_json import FILE


@dataclass(frozen=True)
class Run:
    """A run: its directory, what metrics.json says, plots and cases, and what of its details could not be read."""

    folder: Path
    report: Mapping[str, Any]
    plots: tuple[details.Plot, ...]
    cases: details.Cases
    problems: tuple[str, ...]


def read_run(folder: Path) -> Run:
    """Return what a run left; only metrics.json has to be there, and only it has to be sound."""
    return with_details(folder, read_metrics(folder / FILE))


def with_details(folder: Path, report: Mapping[str, Any]) -> Run:
    """Return a run whose metrics.json is known, with what of its details can be read."""
    problems: list[str] = []
    plots: tuple[details.Plot, ...] = ()
    cases = details.Cases()
    try:
        plots = details.read_plots(folder)
    except (GuideError, OSError) as error:
        problems.append(f"No plots: {error}")
    try:
        cases = details.read_cases(folder)
    except (GuideError, OSError) as error:
        problems.append(f"No cases: {error}")
    return Run(folder, report, plots, cases, tuple(problems))


def read_metrics(path: Path) -> dict[str, Any]:
    """Return what a metrics.json holds."""
    again = "evaluate.py and postprocess.py write it."
    try:
        report = json.loads(read_bytes(path))
    except (FileNotFoundError, NotADirectoryError):
        raise GuideError(f"{path}: no such file. Name the directory (--out) of a run: {again}") from None
    except (ValueError, RecursionError) as error:
        raise GuideError(f"{path}: not JSON: {error}. {again[:-1]} anew.") from None
    if not isinstance(report, dict) or not isinstance(report.get("metrics"), dict):
        raise GuideError(f"{path}: expected a run's figures under the key 'metrics', found none. {again}")
    return report
