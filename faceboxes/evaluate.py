"""Measure FaceBoxes on FDDB, from checkpoint or ONNX file to AP and verdict, in one command.

python evaluate.py --checkpoint FaceBoxesProd.pth --data FDDB
python evaluate.py

The second form needs no data: it compares the deployed model with torch on sample pictures, which is not the
published metric. Without --checkpoint and --model the published checkpoint is taken from weights/ or downloaded;
where that is impossible, seeded weights stand in, and the output says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from common import cli
from common.backends.base import Backend, choose_batch_size
from common.backends.deployed import open_deployed
from common.backends.torch import run_torch
from common.compare.differences import as_metrics, check_differences, print_differences
from common.evaluation import OTHER_CHECKPOINT, load_network, parse, subject_of
from common.export.checkpoint import seeded
from common.export.onnx_file import export
from common.facts import Facts, read_facts
from faceboxes_fddb import fddb, sample
from faceboxes_fddb.agreement import Agreement, compare_pictures
from faceboxes_fddb.fddb import Fold
from faceboxes_fddb.pipeline import find_faces
from faceboxes_fddb.scoring import score

if TYPE_CHECKING:
    from faceboxes_fddb.network import FaceBoxes

HERE = Path(__file__).resolve().parent


def first(folds: Sequence[Fold], limit: int) -> list[Fold]:
    """Return the folds with the first `limit` pictures in all."""
    kept = []
    for fold in folds:
        kept.append(fold[:limit])
        limit -= len(kept[-1])
    return kept


def agree(deployed: Backend, network: FaceBoxes, paths: Sequence[Path], model: Facts) -> Agreement:
    """Measure and print how well the deployed model agrees with torch on picture files."""
    agreement = compare_pictures(deployed, partial(run_torch, network), paths)
    print(f"agreement with torch on {agreement.pictures} pictures:")
    print_differences(model, agreement.outputs)
    print(f"  {agreement}")
    return agreement


def load(options: argparse.Namespace, model: Facts) -> tuple[FaceBoxes, str | None]:
    """Return the torch network, see `common.evaluation.load_network`."""
    from faceboxes_fddb.network import FaceBoxes, load_checkpoint

    return load_network(options, model, HERE, load_checkpoint, lambda: seeded(FaceBoxes))


def export_to(out: Path, network: FaceBoxes, model: Facts) -> Path:
    """Write the ONNX file to the directory `out` and return its path."""
    export(network, model, out / model.onnx)
    return out / model.onnx


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    options = parse(arguments, argv, fddb.DATA_HELP, "FDDB_dets.txt, results.txt")

    model = read_facts(HERE)
    # The data first: a mistake in it should not cost an export.
    data = options.data or options.out / "sample"
    folds = fddb.read_folds(data) if options.data else sample.write_sample(data)
    if options.limit:
        folds = first(folds, options.limit)
    pictures = fddb.find_pictures(data, (picture for fold in folds for picture in fold))

    subject = subject_of(
        options,
        lambda: load(options, model),
        lambda network: export_to(options.out, network, model),
        sample.WHAT,
    )

    deployed = open_deployed(subject.onnx, options.backend, model, HERE)
    batch_size = choose_batch_size(deployed, options.batch_size)
    faces, seconds = find_faces(deployed, pictures, batch_size, options.workers)
    agreement, more = None, {}
    if subject.network and not options.data:
        agreement = agree(deployed, subject.network, list(pictures.values()), model)
        more = {"agreement with torch": agreement.share, **as_metrics(model, agreement.outputs)}
    deployed.close()
    detections = options.out / "FDDB_dets.txt"
    fddb.write_detections(detections, faces)
    print(f"{detections}: the faces of {len(faces)} pictures")
    verdict = score(
        folds,
        detections,
        options.out,
        model,
        dataset=None if options.data else sample.WHAT,
        why_not_comparable=subject.why_not_comparable,
        more=more,
        backend=deployed.name,
        precision=deployed.precision,
        seconds={"export": subject.seconds, **seconds},
    )
    if agreement:
        check_differences(model, agreement.outputs, OTHER_CHECKPOINT)
    return 1 if verdict == "FAIL" else 0


if __name__ == "__main__":
    raise SystemExit(main())
