"""The report of a run: report.md, details beside it, and, where the tools for pages are installed, report.html.

All of it comes after the figures, which it never loses: what cannot be made is told.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from common import cli, process
from common.errors import GuideError
from common.files import write_text
from common.report import details, markdown, units
from common.report.units import Units

TEXT, PAGE = "report.md", "report.html"
TOOL = "ascend_tools.report"  # run as a program; no deployment needs it
SECONDS = 120.0  # some three are needed


def remove(out: Path) -> None:
    """Remove the report of earlier figures."""
    for name in (TEXT, PAGE):
        (out / name).unlink(missing_ok=True)
    details.remove(out)


def make(
    out: Path, report: Mapping[str, Any], computed: Units | None, more: Callable[[], details.Details] | None
) -> str:
    """Write the report of figures that metrics.json has already, and return a line that says where it is.

    Args:
        out: the directory of the figures.
        report: what metrics.json says.
        computed: what the figures are computed of.
        more: returns the details.
    """
    again = "this command again"  # the page alone would lack what could not be written
    try:
        write_text(out / TEXT, markdown.page(report))
        units.write(out, computed)
        if more:
            details.write(out, more())
        again = command(out)
        return _page(out)
    except Exception as error:  # noqa: BLE001  of whatever kind: the figures are there, and are told
        words = cli.message(error)
        if not isinstance(error, (GuideError, OSError, MemoryError)):
            words = f"{type(error).__name__}: {words}"  # a bug of ours: its kind says more than its words
        return f"note: the report is not complete: {words.rstrip('.')}. Once that is mended: {again}"


def command(out: Path) -> str:
    """Return the command that makes the page."""
    return process.quote(["python", "-m", TOOL, str(out)])


def _page(out: Path) -> str:
    if not is_installed():
        return (
            f"{out / TEXT}: the report; as a page with plots and pictures, where the guides' tools are installed: "
            f"{command(out)}"
        )
    cli.announce("making the report's page")
    words = [sys.executable, "-m", TOOL, str(out)]
    code, printed = process.run(words, f"Try again: {command(out)}", seconds=SECONDS, capture=True)
    if code:
        raise GuideError(
            f"{command(out)} ended with status {code}: {(printed.strip() or '-').splitlines()[-1]}"
        )
    return f"{out / PAGE}: the report"


def is_installed() -> bool:
    """Tell whether pages can be made here."""
    try:
        return importlib.util.find_spec(TOOL) is not None
    except (ImportError, ValueError):
        return False
