"""What every evaluate.py shares: its arguments, and the network it measures or compares with."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from common import checkpoint, cli, download
from common.backend import BACKENDS
from common.model_toml import ModelToml

if TYPE_CHECKING:
    from torch import nn

Network = TypeVar("Network", bound="nn.Module")
SEEDED = "seeded random weights, not the published ones"
OTHER_CHECKPOINT = "Was the ONNX file exported from this checkpoint?"


def parse(
    arguments: argparse.ArgumentParser, argv: Sequence[str] | None, data_help: str, written: str
) -> argparse.Namespace:
    """Add the arguments of an evaluate.py, parse them, and refuse a checkpoint that would not be used.

    `data_help` describes the data set, `written` names what is written beside the ONNX file and metrics.json.
    """
    add = arguments.add_argument
    add("--checkpoint", type=Path, metavar="F", help="The weights to export (default: the published ones).")
    add(
        "--model",
        type=Path,
        metavar="F",
        help="An ONNX file to measure instead of a new export; without --data it is compared with --checkpoint.",
    )
    add("--data", type=Path, metavar="DIR", help=f"{data_help} (default: sample pictures).")
    add("--backend", choices=BACKENDS, help="What runs the model (default: onnxruntime).")
    add(
        "--limit",
        type=cli.positive_int,
        metavar="N",
        help="Take the first N of the data set only; not comparable then.",
    )
    add(
        "--out",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help=f"The directory for the ONNX file, {written}, metrics.json and the sample pictures "
        "(default: %(default)s).",
    )
    cli.add_batch_size(arguments)
    cli.add_workers(arguments)
    options = arguments.parse_args(argv)
    if options.checkpoint and options.model and options.data:
        arguments.error("--checkpoint beside --model is for comparing without --data")
    return options


def load_network(
    options: argparse.Namespace,
    model: ModelToml,
    folder: Path,
    load: Callable[[Path], Network],
    seeded: Callable[[], Network],
) -> tuple[Network, str | None]:
    """Return the network of --checkpoint or else the published one; where neither is to be had, a seeded one.

    The second value is SEEDED if the weights had to be made up, which is also said on stderr.
    """
    path = options.checkpoint
    if path is None:
        try:
            path = checkpoint.published(model, folder)
        except download.UnavailableError as error:
            print(f"WARNING: {error}", file=sys.stderr)
            print(f"WARNING: no checkpoint to be had; going on with {SEEDED.upper()}", file=sys.stderr)
            return seeded(), SEEDED
    return load(path), None
