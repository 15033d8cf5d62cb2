"""The arguments of `--find-list`."""

from __future__ import annotations

import argparse
from pathlib import Path

from common import cli
from common.backends.emulation import GUIDES, soc_version

# Of an output's spread. Rounding alone makes 0.07 of EfficientDet-D0's 700 nodes with its reference checkpoint, where no
# list but of all products would help.
BOUND = 0.1


def add_arguments(arguments: argparse.ArgumentParser) -> None:
    """Add `--find-list` and what belongs to it."""
    group = arguments.add_argument_group("the smallest list of operators to keep in float32")
    add = group.add_argument
    add(
        "--find-list",
        action="store_true",
        help="Search for the smallest list of operator types to keep in float32 with which the outputs of emulated half "
        "precision are off by no more than --bound, and write it for ATC's --modify_mixlist. Steps that were done are "
        "not done again.",
    )
    add(
        "--nodes",
        action="store_true",
        help="List single nodes, for ATC's --keep_dtype, in place of operator types.",
    )
    add(
        "--bound",
        type=cli.number(0),
        metavar="X",
        help="What is accepted of an output: the root mean square of its differences from float32, as a share of the "
        f"standard deviation of its numbers (default: {BOUND:g}).",
    )
    add(
        "--metric",
        action="store_true",
        help="Let the model's metric decide, by the evaluate.py of the model directory that you stand in: on its sample "
        "pictures, or on --data.",
    )
    add(
        "--accepted-drop",
        type=cli.number(0, 1),
        metavar="X",
        help="With --metric: the share of the metric in float32 that may be lost (default: what model.toml accepts).",
    )
    add("--data", type=Path, metavar="DIR", help="With --metric: the data set, as evaluate.py takes it.")
    add(
        "--pictures",
        type=cli.positive_int,
        metavar="N",
        help="With --metric: only the first N pictures of it.",
    )
    add("--checkpoint", type=Path, metavar="F", help="With --metric and without --data: the model's weights.")
    add(
        "--soc-version",
        type=soc_version,
        metavar="S",
        help="The chip, Ascend and the name that npu-smi shows: 310, 310P, 310B and the first 910 only saturate where "
        f"numbers leave the range, later ones make them infinite (default: {GUIDES}).",
    )


def check(arguments: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuse options that would not be used."""
    searching = ("nodes", "bound", "metric", "accepted_drop", "data", "pictures", "checkpoint", "soc_version")
    measuring = ("accepted_drop", "data", "pictures", "checkpoint")
    for names, needed in ((searching, "find_list"), (measuring, "metric")):
        given = [name for name in names if getattr(options, name) not in (None, False)]
        if given and not getattr(options, needed):
            arguments.error(f"--{given[0].replace('_', '-')}: only with --{needed.replace('_', '-')}")
    if options.find_list and len(options.batch_sizes or ()) > 1:
        arguments.error("--batch-sizes: one size with --find-list")
    if options.checkpoint and options.data:
        arguments.error("--checkpoint is for comparing with torch, without --data")
