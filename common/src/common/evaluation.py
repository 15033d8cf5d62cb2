"""What every evaluate.py shares: its arguments, and the network it measures or compares with."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from common import cli
from common.backends.deployed import BACKENDS
from common.export import checkpoint, download
from common.facts import Facts

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


@dataclass(frozen=True)
class Subject(Generic[Network]):
    """What is measured: an ONNX file, and the torch network to compare it with, if there is one.

    `why_not_comparable` says why its figure is another than the published one, before any counting; None if it is not.
    `seconds` were spent on exporting.
    """

    onnx: Path
    network: Network | None
    why_not_comparable: str | None
    seconds: float


def subject_of(
    options: argparse.Namespace,
    load: Callable[[], tuple[Network, str | None]],
    export: Callable[[Network], Path],
    sample: str,
) -> Subject[Network]:
    """Export what the options ask for, unless they name an ONNX file; without --data the network is loaded anyway.

    Args:
        options: from `parse`.
        load: returns the network and what its weights are, if they are made up; see `load_network`.
        export: writes the ONNX file and returns its path.
        sample: what is measured without --data, in words.
    """
    start = time.perf_counter()
    why_not = None if options.data else sample
    if options.model and options.data:
        return Subject(options.model, None, why_not, 0.0)
    network, made_up = load()
    why_not = "; ".join(filter(None, (why_not, made_up))) or None
    onnx = options.model
    if onnx is None:
        onnx = export(network)
        print(f"{onnx}: exported")
    return Subject(onnx, network, why_not, time.perf_counter() - start)


def load_network(
    options: argparse.Namespace,
    model: Facts,
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
