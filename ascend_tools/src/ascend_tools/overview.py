"""Show the figures of several models in one table, a line for each, and whether all of them hold.

python -m ascend_tools.overview
python -m ascend_tools.overview faceboxes pcb

Each DIRECTORY is a model's; what its evaluate.py left in DIRECTORY/output/ is shown. A model without figures there has a
line that says so. The exit status is 1 where one of them failed or has no figures.
"""

# Python's own library alone: nox shows this table, and has none of the models' packages around it.
from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COLUMNS = (
    *("model", "weights", "pictures", "agreement", "metric"),
    *("verdict", "images/s", "seconds", "report"),
)
NUMBERS = ("pictures", "images/s", "seconds")  # to the right of their columns
FIGURES = "metrics.json"
REPORTS = ("report.html", "report.md", FIGURES)  # the first that is there is named
NO_FIGURES = "no figures: evaluate.py did not run, or failed before it had any"


@dataclass(frozen=True)
class Row:
    """A model's line, by column; `agrees` is None where nothing was compared; `fault` says why it is a failure."""

    cells: dict[str, str]
    agrees: bool | None
    fault: str | None


def row(folder: Path) -> Row:
    """Return the line of a model directory, from its output/metrics.json."""
    name, output = folder.resolve().name, folder / "output"
    try:
        found = json.loads((output / FIGURES).read_bytes())
    except FileNotFoundError:
        return _without_figures(name, NO_FIGURES)
    except (OSError, ValueError, RecursionError) as error:
        return _without_figures(name, f"{output / FIGURES} cannot be read: {error}")
    if not isinstance(found, dict):
        return _without_figures(name, f"{output / FIGURES} holds no figures of a model")
    agreement = _part(found, "agreement")
    cells = {
        "model": name,
        "weights": _text(found.get("weights")),
        "pictures": _text(found.get("images")),
        "agreement": _text(agreement.get("verdict")),
        "metric": _metric(found, agreement),
        "verdict": _text(found.get("verdict")),
        "images/s": _number(found.get("images/s")),
        "seconds": _number(_part(found, "seconds").get("total")),
        "report": os.path.relpath(next(path for each in REPORTS if (path := output / each).is_file())),
    }
    fault = None
    if agreement.get("verdict") == "FAIL":
        fault = _text(agreement.get("why"))
    elif found.get("verdict") == "FAIL":
        fault = "below the published figure by more than is accepted"
    return Row(cells, agreement.get("verdict") == "OK" if agreement else None, fault)


def _without_figures(name: str, fault: str) -> Row:
    return Row({**dict.fromkeys(COLUMNS, "-"), "model": name, "agreement": "FAIL"}, agrees=False, fault=fault)


def _part(found: dict[str, Any], key: str) -> dict[str, Any]:
    part = found.get(key)
    return part if isinstance(part, dict) else {}


def _metric(found: dict[str, Any], agreement: dict[str, Any]) -> str:
    """Return the metric with torch's results as the truth, else the first that has a published figure."""
    compared = _part(agreement, "metric")
    if compared:
        return f"{compared.get('name')} {_number(compared.get('value'), 4)}"
    name = next(iter(_part(found, "published")), None)
    return "-" if name is None else f"{name} {_number(_part(found, 'metrics').get(name), 4)}"


def _text(value: Any) -> str:
    return "-" if value is None else str(value)


def _number(value: Any, digits: int | None = None) -> str:
    """Return a number, by default with two decimals below 10 and one above; "-" for none."""
    if not isinstance(value, (int, float)):
        return "-"
    digits = digits or (2 if value < 10 else 1)
    return f"{value:.{digits}f}"


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table, with a heading."""
    lines = [dict(zip(COLUMNS, COLUMNS, strict=True)), *(each.cells for each in rows)]
    widths = {column: max(len(line[column]) for line in lines) for column in COLUMNS}
    cells = (
        [
            line[column].rjust(widths[column]) if column in NUMBERS else line[column].ljust(widths[column])
            for column in COLUMNS
        ]
        for line in lines
    )
    return ["  ".join(each).rstrip() for each in cells]


def conclusion(rows: Sequence[Row]) -> str:
    """Return the last line: which models failed, or that none did."""
    failed = [each.cells["model"] for each in rows if each.fault]
    count = f"{len(rows)} model{'s' * (len(rows) > 1)}"
    if failed:
        return f"{len(failed)} of {count}: FAIL: {', '.join(failed)}"
    agreeing = sum(bool(each.agrees) for each in rows)
    if agreeing == len(rows):
        return f"{count}: export and deployment agree with torch: OK"
    return f"{count}: none failed; {agreeing} compared with torch"


def models(root: Path) -> list[Path]:
    """Return the model directories in a directory, by name."""
    return sorted(path.parent for path in root.glob("*/model.toml"))


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, why a model failed, and the conclusion; return the exit status."""
    arguments = argparse.ArgumentParser(
        prog="python -m ascend_tools.overview",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument(
        "directories",
        nargs="*",
        type=Path,
        metavar="DIRECTORY",
        help="The model directories (default: those with a model.toml in the working directory).",
    )
    options = arguments.parse_args(argv)
    folders = options.directories or models(Path())
    if not folders:
        arguments.error("no directory here has a model.toml; name the model directories")
    rows = [row(folder) for folder in folders]
    print(*table(rows), sep="\n")
    for each in rows:
        if each.fault:
            print(f"{each.cells['model']}: {each.fault}")
    print(conclusion(rows))
    return int(any(each.fault for each in rows))


if __name__ == "__main__":
    raise SystemExit(main())
