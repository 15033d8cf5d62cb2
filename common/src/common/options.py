"""The arguments that every evaluate.py has."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common import cli, screen
from common.backends.deployed import Runtime, add_backend, chosen_runtime
from common.cluster.options import Engine, add_engine, chosen_engine
from common.errors import GuideError
from common.export import checkpoint, om_file, pin

STORE = "predictions.sqlite"


@dataclass(frozen=True)
class Options:
    """The arguments of an evaluate.py; `own` are those that only one of them has."""

    checkpoint: Path | None
    model: Path | None
    data: Path | None
    runtime: Runtime
    limit: int | None
    out: Path
    batch_size: int | None
    workers: int | None
    own: argparse.Namespace
    sha256: str | None
    engine: Engine = field(default_factory=Engine)


def parse(
    arguments: argparse.ArgumentParser, argv: Sequence[str] | None, data_help: str, written: str
) -> Options:
    """Add the arguments of an evaluate.py, parse them, and refuse a checkpoint that would not be used.

    `data_help` describes the data set, `written` names what is written beside the ONNX file and metrics.json.
    """
    add = arguments.add_argument
    add("--checkpoint", type=Path, metavar="F", help="The weights to export (default: the published ones).")
    pin.add_argument(arguments)
    add(
        "--model",
        type=Path,
        metavar="F",
        help="An ONNX file, or an OM file, to measure instead of a new export; without --data it is compared with "
        "--checkpoint. With --backend om, an ONNX file is converted first, for batches of --batch-size.",
    )
    add("--data", type=Path, metavar="DIR", help=f"{data_help} (default: sample pictures).")
    add_backend(arguments)
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
        help=f"The directory for the ONNX file, {written}, metrics.json, the sample pictures, and {STORE}, with "
        "which an interrupted run goes on (default: %(default)s).",
    )
    cli.add_batch_size(arguments)
    cli.add_workers(arguments)
    add_engine(arguments)
    arguments.set_defaults(workers=None)  # on a cluster each machine has its own number
    found = screen.parse(arguments, argv)
    if found.checkpoint and found.model and found.data:
        arguments.error("--checkpoint beside --model is for comparing without --data")
    if found.sha256 and found.model and found.data:
        arguments.error("--sha256 is of a checkpoint, and --model with --data takes none")
    # Mistyped names are told now, before anything takes time.
    if found.checkpoint:
        checkpoint.check_named(found.checkpoint)
    if found.model and not found.model.is_file():
        how = "with python -m common.atc" if found.model.suffix == ".om" else "as the README's section 3 says"
        raise GuideError(f"{found.model}: no such model file. Make it {how}.")
    engine = chosen_engine(found)
    runtime = chosen_runtime(found, here=not engine.is_ray)
    if om_file.is_needed(found.model, runtime):
        om_file.check_there()
    elif found.model:
        runtime.backend_of(found.model)
    return Options(
        checkpoint=found.checkpoint,
        model=found.model,
        data=found.data,
        runtime=runtime,
        limit=found.limit,
        out=found.out,
        batch_size=found.batch_size,
        workers=found.workers,
        own=found,
        sha256=found.sha256,
        engine=engine,
    )
