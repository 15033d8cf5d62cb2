"""Runs to compare: what metrics.json says of each, what its figures are computed of, and in what the runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ascend_tools.report import bootstrap
from ascend_tools.report.bootstrap import EXACT
from ascend_tools.report.read import read_metrics
from common import cli
from common.errors import GuideError
from common.report.beside import NONE, flat, number
from common.report.metrics_json import FILE
from common.report.units import Units, read

SETTINGS = ("dataset", "why", "weights", "backend", "precision", "batch size", "provenance", "versions")
# What is annotated, of all kinds of units; the rest is what was found, and where pictures are.
TRUTH = {
    *("truth_unit", "truth_class", "truth_corners", "classes", "truths", "fold", "same", "tops"),
    *("recalls", "thresholds"),
}


@dataclass(frozen=True)
class Run:
    """A run: what metrics.json says, and what its figures are computed of, or why that is not known."""

    path: Path
    report: dict[str, Any]
    units: Units | None
    problem: str = ""
    name: str = ""


def read_runs(paths: Sequence[Path]) -> list[Run]:
    """Read runs of one model, each named by its metrics.json or its directory.

    They are called by their directories, or by letters where these are not told apart.
    """
    runs = [_read_run(path) for path in paths]
    models = {str(run.report.get("model")) for run in runs}
    if len(models) > 1:
        raise GuideError(f"expected runs of one model, found {', '.join(sorted(models))}.")
    names = [run.path.parent.name or str(run.path.parent) for run in runs]
    if len({*names}) < len(names):
        names = [chr(ord("A") + place % 26) + str(place // 26 or "") for place in range(len(runs))]
    return [replace(run, name=name) for run, name in zip(runs, names, strict=True)]


def _read_run(path: Path) -> Run:
    path = path if path.suffix == ".json" else path / FILE
    report = read_metrics(path)
    try:
        units = read(path.parent)
    except (GuideError, OSError) as error:
        return Run(path, report, None, cli.message(error))
    for name, value in zip(units.figures, bootstrap.once(units).tolist(), strict=True):
        stored = number(report["metrics"].get(name))
        if stored is None or not abs(stored - value) <= EXACT:
            return Run(
                path,
                report,
                None,
                f"{path.parent}/details are of another run than metrics.json: they give {name} {value!r}, and that says "
                f"{stored!r}; run evaluate.py or postprocess.py again",
            )
    return Run(path, report, units)


def is_unlike(first: Run, second: Run) -> bool:
    """Tell whether two runs are on other data, as far as metrics.json knows."""
    return any(first.report.get(key) != second.report.get(key) for key in ("dataset", "images"))


def unlike(first: Units, second: Units) -> str:
    """Return in what the data of two runs differ, nothing if they do not: pictures, pairs or queries, and their truth."""
    if (first.kind, [*first.figures]) != (second.kind, [*second.figures]):
        return "other figures"
    if first.keys != second.keys:
        only = [{*a.keys} - {*b.keys} for a, b in ((first, second), (second, first))]
        listed = "; ".join(
            f"{len(names)} only in the {place} run ({cli.shorten(sorted(names))})"
            for names, place in zip(only, ("first", "other"), strict=True)
            if names
        )
        return f"other {plural(first)}: {listed or 'the same in another order'}"
    others = sorted(
        name
        for name in TRUTH & first.arrays.keys() & second.arrays.keys()
        if not np.array_equal(first.arrays[name], second.arrays[name])
    )
    return f"other annotations ({', '.join(others)})" if others else ""


def plural(units: Units) -> str:
    """Return what units are, several of them."""
    return "queries" if units.noun == "query" else f"{units.noun}s"


def settings(runs: Sequence[Run]) -> list[list[str]]:
    """Return what makes the runs others than each other: rows of a name and its value in each run, where these differ."""
    return [row for row in rows(runs, SETTINGS) if len({*row[1:]}) > 1 and row[0] != "date"]


def rows(runs: Sequence[Run], keys: Sequence[str]) -> list[list[str]]:
    """Return the leaves of some entries of metrics.json, in the order of the first run that has each."""
    columns = []
    for run in runs:
        leaves: dict[str, str] = {}
        for key in keys:
            if key in run.report:
                # Of what stands in a group the group's name says nothing new.
                leaves.update(
                    (name.removeprefix(f"{key} "), value) for name, value in flat(run.report[key], key)
                )
        columns.append(leaves)
    names = dict.fromkeys(name for column in columns for name in column)
    return [[name, *(column.get(name, NONE) for column in columns)] for name in names]
