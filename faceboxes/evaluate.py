"""Measure FaceBoxes on FDDB, from checkpoint or ONNX file to AP and verdict, in one command.

python evaluate.py --checkpoint FaceBoxesProd.pth --data FDDB
python evaluate.py

The second form needs no data: it compares the deployed model with torch on sample pictures, which is not the
published metric. Without --checkpoint and --model the published checkpoint is taken from weights/ or downloaded;
where that is impossible, seeded weights stand in, and the output says so.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from common import cli, download
from common.backend import BACKENDS, Backend, choose_batch_size, open_deployed
from common.errors import GuideError
from common.model_toml import ModelToml, read_model
from faceboxes_fddb import fddb, sample
from faceboxes_fddb.agreement import Agreement, compare_pictures
from faceboxes_fddb.fddb import Fold
from faceboxes_fddb.pipeline import find_faces
from faceboxes_fddb.scoring import score
from pth2onnx import export, published_checkpoint

if TYPE_CHECKING:
    from faceboxes_fddb.network import FaceBoxes

HERE = Path(__file__).resolve().parent
SEEDED = "seeded random weights, not the published ones"


def load_network(checkpoint: Path | None, model: ModelToml) -> tuple[FaceBoxes, str | None]:
    """Return the torch network, and SEEDED if its weights had to be made up."""
    from faceboxes_fddb.network import load_checkpoint, seeded_network

    if checkpoint is None:
        try:
            checkpoint = published_checkpoint(model)
        except download.UnavailableError as error:
            print(f"WARNING: {error}", file=sys.stderr)
            print(f"WARNING: no checkpoint to be had; going on with {SEEDED.upper()}", file=sys.stderr)
            return seeded_network(), SEEDED
    return load_checkpoint(checkpoint), None


def first(folds: Sequence[Fold], limit: int) -> list[Fold]:
    """Return the folds with the first `limit` pictures in all."""
    kept = []
    for fold in folds:
        kept.append(fold[:limit])
        limit -= len(kept[-1])
    return kept


def agree(deployed: Backend, network: FaceBoxes, paths: Sequence[Path], model: ModelToml) -> Agreement:
    """Measure and print how well the deployed model agrees with torch on picture files."""
    from faceboxes_fddb.network import run_torch

    agreement = compare_pictures(deployed, partial(run_torch, network), paths)
    print(f"agreement with torch on {agreement.pictures} pictures:")
    for tensor, difference in zip(model.outputs, agreement.outputs, strict=True):
        print(f"  {tensor.name}: largest difference {difference:.2e}, accepted {tensor.tolerance:.0e}")
    print(
        f"  faces: torch {agreement.torch_faces}, deployed {agreement.deployed_faces}, "
        f"the same {agreement.same_faces} ({100 * agreement.share:.2f} %)"
    )
    return agreement


def check_agreement(agreement: Agreement, model: ModelToml) -> None:
    """Refuse outputs that differ from torch by more than their tolerance."""
    for tensor, difference in zip(model.outputs, agreement.outputs, strict=True):
        if not difference <= (tensor.tolerance or 0):  # also true for NaN
            raise GuideError(
                f"output {tensor.name!r} differs from torch by {difference:.2e}, more than {tensor.tolerance:.0e}. "
                "Was the ONNX file exported from this checkpoint?"
            )


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add("--checkpoint", type=Path, metavar="F", help="The weights to export (default: the published ones).")
    add(
        "--model",
        type=Path,
        metavar="F",
        help="An ONNX file to measure instead of a new export; without --data it is compared with --checkpoint.",
    )
    add("--data", type=Path, metavar="DIR", help=f"{fddb.DATA_HELP} (default: sample pictures).")
    add("--backend", choices=BACKENDS, help="What runs the model (default: onnxruntime).")
    add(
        "--limit",
        type=cli.positive_int,
        metavar="N",
        help="Take the first N pictures only; not comparable then.",
    )
    add(
        "--out",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="The directory for the ONNX file, FDDB_dets.txt, results.txt, metrics.json and the sample pictures "
        "(default: %(default)s).",
    )
    cli.add_batch_size(arguments)
    cli.add_workers(arguments)
    options = arguments.parse_args(argv)
    if options.checkpoint and options.model and options.data:
        arguments.error("--checkpoint beside --model is for comparing without --data")

    model = read_model(HERE)
    # The data first: a mistake in it should not cost an export.
    data = options.data or options.out / "sample"
    folds = fddb.read_folds(data) if options.data else sample.write_sample(data)
    if options.limit:
        folds = first(folds, options.limit)
    pictures = fddb.find_pictures(data, (picture for fold in folds for picture in fold))

    begin = time.perf_counter()
    network, onnx, why_not = None, options.model, None if options.data else sample.WHAT
    if onnx is None or not options.data:
        network, seeded = load_network(options.checkpoint, model)
        why_not = "; ".join(filter(None, (why_not, seeded))) or None
    if onnx is None and network is not None:
        onnx = options.out / model.onnx
        export(network, model, onnx)
        print(f"{onnx}: exported")
    exported = time.perf_counter()

    deployed = open_deployed(onnx, options.backend, model, HERE)
    found = find_faces(deployed, pictures, choose_batch_size(deployed, options.batch_size), options.workers)
    agreement = None
    if network is not None and not options.data:
        agreement = agree(deployed, network, list(pictures.values()), model)
    deployed.close()
    detections = options.out / "FDDB_dets.txt"
    fddb.write_detections(detections, found.faces)
    print(f"{detections}: the faces of {len(found.faces)} pictures")
    verdict = score(
        folds,
        detections,
        options.out,
        model,
        dataset=None if options.data else sample.WHAT,
        why_not_comparable=why_not,
        more=agreement.metrics() if agreement else None,
        backend=deployed.name,
        precision=deployed.precision,
        seconds={"export": exported - begin, **found.seconds},
    )
    if agreement:
        check_agreement(agreement, model)
    return 1 if verdict == "FAIL" else 0


if __name__ == "__main__":
    raise SystemExit(main())
