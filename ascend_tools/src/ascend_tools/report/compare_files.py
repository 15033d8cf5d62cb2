"""Runs side by side as data: a JSON file with all of it, and a table of the pictures, pairs or queries that flipped."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ascend_tools.report import bootstrap
from ascend_tools.report.compare_text import MEASURED
from ascend_tools.report.comparison import Comparison
from ascend_tools.report.runs import Run, rows, settings
from common.report.beside import NONE

JSON, FLIPS = "comparison.json", "flips.csv"


def as_data(runs: Sequence[Run], compared: Sequence[Comparison], accept: float | None) -> dict[str, Any]:
    """Return the comparison for a JSON file."""
    return {
        "model": runs[0].report.get("model"),
        "runs": {run.name: str(run.path) for run in runs},
        "what differs": _cells(settings(runs)),
        "measured": _cells(rows(runs, MEASURED)),
        "accepted drop": accept,
        "draws": bootstrap.DRAWS,
        "compared with": runs[0].name,
        "compared": {
            each.run.name: {
                "figures": {key: list(pair) for key, pair in each.figures.items()},
                "differences": [
                    {
                        key: value if not isinstance(value, float) or math.isfinite(value) else None
                        for key, value in {**asdict(step), "change": step.change, "least": step.least}.items()
                    }
                    | {"is": step.word}
                    for step in each.differences
                ],
                "flipped": len(each.flips),
                "problem": each.problem or None,
                "status": int(each.fails(accept)),
            }
            for each in compared
        },
    }


def _cells(found: Sequence[Sequence[str]]) -> dict[str, list[str | None]]:
    return {name: [None if cell == NONE else cell for cell in cells] for name, *cells in found}


def flips_csv(compared: Sequence[Comparison]) -> str:
    """Return a row for each that flipped: in which run, and what both made of it."""
    table = io.StringIO()
    lines = csv.writer(table, lineterminator="\n")
    lines.writerow(["run", "name", compared[0].first.name, "this run", "gain"])
    for each in compared:
        lines.writerows(
            [each.run.name, flip.key, flip.before, flip.after, f"{flip.gain:.6g}"] for flip in each.flips
        )
    return table.getvalue()
