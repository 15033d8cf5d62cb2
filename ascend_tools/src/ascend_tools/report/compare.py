"""Runs side by side, as text, files and a page: what differs, how their figures differ, and whether that is more than chance."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ascend_tools.report import compare_text
from ascend_tools.report.compare_files import FLIPS, JSON, as_data, flips_csv
from ascend_tools.report.comparison import compared
from ascend_tools.report.runs import read_runs
from common import cli
from common.files import write_json, write_text

PAGE = "comparison.html"


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add `--accept SHARE` and `--out DIR`."""
    arguments.add_argument(
        "--accept",
        type=share,
        metavar="SHARE",
        help='With several runs: the drop that is accepted, as a share of the first run\'s figure ("1%%"). Where a figure is '
        "lower by more than that, the exit status is 1.",
    )
    arguments.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help=f"With several runs: the directory that {PAGE}, {JSON} and {FLIPS} are written to (default: they are not "
        "written).",
    )


def share(text: str) -> float:
    """Argument type: a share, "1%" or "0.01"."""
    return cli.number(0, 100)(text[:-1]) / 100 if text.endswith("%") else cli.number(0, 1)(text)


def compare(paths: Sequence[Path], accept: float | None, out: Path | None = None) -> int:
    """Print runs side by side, each compared with the first one; return the exit status.

    That is 1 where a figure is lower than the first run's by more than the share `accept` of it, or where the runs are not of
    the same data and cannot be judged. With `out`, all of it is written to files there before.
    """
    runs = read_runs(paths)
    cli.announce(f"comparing {cli.counted(len(runs), 'run')}")
    found = compared(runs)
    if out:
        write_json(out / JSON, as_data(runs, found, accept))
        write_text(out / FLIPS, flips_csv(found))
        cli.announce("making the page")
        from ascend_tools.report.compare_page import page

        write_text(out / PAGE, page(runs, found, accept))
    for line in compare_text.lines(runs, found):
        print(line)
    if out:
        print(f"{out / JSON}, {out / FLIPS}: all of it")
        print(f"{out / PAGE}: the page")
    for each in found:
        print(f"{each.title}: {each.verdict(accept)}")
    return int(any(each.fails(accept) for each in found))
