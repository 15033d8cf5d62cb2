"""Measure FaceBoxes on FDDB, from checkpoint or ONNX file to AP and verdict, in one command.

python evaluate.py --checkpoint FaceBoxesProd.pth --data FDDB
python evaluate.py
python evaluate.py -g FDDB_Evaluation/ground_truth

The second form needs no data: it compares the deployed model with torch on sample pictures, which is not the published
metric. Without --checkpoint and --model the published checkpoint is taken from weights/, model/ or this directory, or
downloaded; where that is impossible, seeded weights stand in, and the output says so. Run again after an interruption,
it goes on with the pictures whose faces are not stored yet.

The third form runs no network: it scores the faces that postprocess.py has stored, FDDB_dets.txt beside the annotations or
in --out, as the guide's evaluate.py does in FDDB_Evaluation/.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from common import cli, evaluation, prediction
from common.compare.ended import told_last, unscored
from common.errors import GuideError
from common.export.onnx_file import export
from common.facts import Facts, read_facts
from common.npu_files.origin import results_origin
from common.options import Options, parse
from common.report.details import add_worst
from common.report.metrics_json import begin, conclude
from common.report.record import recorded
from common.timing import Stopwatch
from faceboxes_fddb import fddb, sample
from faceboxes_fddb.known import KNOWN
from faceboxes_fddb.scoring import against, score, score_stored
from faceboxes_fddb.task import SAME_FACES, SCORE, TASK

if TYPE_CHECKING:
    from faceboxes_fddb.network import FaceBoxes

HERE = Path(__file__).resolve().parent


def load(checkpoint: Path | None) -> FaceBoxes:
    """Return the torch network with a checkpoint's weights, with seeded ones for None."""
    from faceboxes_fddb import network

    return network.load_checkpoint(checkpoint) if checkpoint else network.seeded()


def export_to(out: Path, network: FaceBoxes, facts: Facts) -> Path:
    """Write the ONNX file to the directory `out` and return its path."""
    export(network, facts, out / facts.onnx)
    return out / facts.onnx


def score_again(options: Options, labels: Path, facts: Facts) -> int:
    """Score the faces that are stored beside the directory of the annotations, as in the guide's tree, or else in --out."""
    if options.model or options.checkpoint or options.sha256:
        raise GuideError(
            "--labels beside --model, --checkpoint or --sha256: name the pictures with --data, too."
        )
    folds = fddb.read_folds(None, labels)
    if options.limit:
        folds = fddb.first(folds, options.limit)
    places = [folder / "FDDB_dets.txt" for folder in (labels.parent, options.out)]
    detections = next((path for path in places if path.is_file()), None)
    if detections is None:
        raise GuideError(
            f"no faces to score: there is neither {places[0]} nor {places[1]}. Store them with postprocess.py, or name "
            f"them: python postprocess.py --detections F --labels {labels}."
        )
    print(f"{detections}: the faces that are scored")
    origin = results_origin(facts, HERE, [], [fddb.find_labels(None, labels)], detections.parent)
    worst = options.own.worst
    return score_stored(detections, folds, origin, detections.parent, facts, data=None, worst=worst)


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts, watch = read_facts(HERE), Stopwatch()
    arguments = cli.parser(__doc__)
    fddb.add_labels(arguments, " Without --data, stored faces are scored.")
    add_worst(arguments)
    options = parse(arguments, argv, fddb.DATA_HELP, "FDDB_dets.txt, results.txt")
    labels = options.own.labels
    if labels and not options.data:
        return score_again(options, labels, facts)

    # The data first: a mistake in it should not cost an export.
    data = options.data or sample.write_sample(options.out / "sample")
    folds = fddb.read_folds(data, labels)
    if options.limit:
        folds = fddb.first(folds, options.limit)
    pictures = fddb.find_pictures(data, (picture for fold in folds for picture in fold))

    subject = evaluation.subject(
        options, facts, HERE, load=load, export_to=export_to, sample=sample.WHAT, watch=watch
    )
    told = told_last(options.out, facts, is_sample=options.data is None)
    with told, evaluation.opened(subject, options, facts, HERE, len(pictures)) as deployed:
        faces, agreement = evaluation.measured(
            TASK,
            facts,
            HERE,
            deployed,
            subject,
            pictures,
            options,
            watch,
            known=KNOWN,
            against=against,
            same=SAME_FACES,
        )

    detections = options.out / "FDDB_dets.txt"
    begin(options.out)
    origin = evaluation.origin(subject, deployed, options, HERE, fddb.find_labels(data, labels))
    with recorded([detections], origin, len(faces)):
        fddb.write_detections(detections, faces)
    print(f"{detections}: the faces of {cli.counted(len(faces), 'picture')}")
    with watch("evaluate"):
        is_scored = not (agreement and subject.seeded)
        figures = score(folds, fddb.read_detections(detections), data) if is_scored else unscored(len(faces))
    if agreement and not subject.seeded:
        drawn = prediction.draw_found(options.out / "drawn", pictures, faces, what="faces", score=SCORE)
        print(f"{drawn}: the sample pictures with the faces found drawn on them")
    status = conclude(
        options.out,
        facts,
        figures,
        replace(origin, seconds=watch.seconds),
        agreement,
        worst=options.own.worst,
    )
    if agreement:
        agreement.check()
    return status


if __name__ == "__main__":
    raise SystemExit(main())
