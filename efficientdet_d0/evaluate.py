"""Measure EfficientDet-D0 on COCO, from checkpoint or ONNX file to mAP and verdict, in one command.

python evaluate.py --checkpoint d0.pth --data coco_data
python evaluate.py

The second form needs no data: it compares the deployed model with torch on library pictures, which is not the published
metric. Without --checkpoint and --model the published checkpoint is taken from weights/, model/ or this directory, or
downloaded; where that is impossible, seeded weights stand in, and the output says so. Run again after an interruption,
it goes on with the pictures whose objects are not stored yet.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from common import cli, evaluation, prediction
from common.compare.ended import told_last, unscored
from common.facts import Facts, read_facts
from common.options import parse
from common.report.details import add_worst
from common.report.metrics_json import begin, conclude
from common.report.record import recorded
from common.timing import Stopwatch
from efficientdet_coco import coco, sample
from efficientdet_coco.categories import name_of
from efficientdet_coco.known import KNOWN
from efficientdet_coco.scoring import against, score
from efficientdet_coco.task import SAME_OBJECTS, SCORE, TASK
from modify_onnx import modify
from pth2onnx import export_simplified

if TYPE_CHECKING:
    from efficientdet_coco.network import TenMaps

HERE = Path(__file__).resolve().parent


def load(checkpoint: Path | None) -> TenMaps:
    """Return the torch network with a checkpoint's weights, with seeded ones for None."""
    from efficientdet_coco import network

    return network.load_checkpoint(checkpoint) if checkpoint else network.seeded()


def export_to(out: Path, network: TenMaps, facts: Facts) -> Path:
    """Write the ONNX files of all three steps to the directory `out` and return the last one's path."""
    target = out / Path(facts.onnx).name
    simplified = export_simplified(network, facts, target.with_name(target.name.replace("_modify", "")))
    modify(simplified, target, "exact", facts)
    return target


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts, watch = read_facts(HERE), Stopwatch()
    arguments = cli.parser(__doc__)
    add_worst(arguments)
    options = parse(arguments, argv, coco.DATA_HELP, "detections.json")

    # The data first: a mistake in it should not cost an export.
    data = coco.read_coco(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        data = data.first(options.limit)
    pictures = data.pictures

    subject = evaluation.subject(
        options, facts, HERE, load=load, export_to=export_to, sample=sample.WHAT, watch=watch
    )
    told = told_last(options.out, facts, is_sample=options.data is None)
    with told, evaluation.opened(subject, options, facts, HERE, len(pictures)) as deployed:
        objects, agreement = evaluation.measured(
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
            same=SAME_OBJECTS,
        )

    detections = options.out / "detections.json"
    begin(options.out)
    origin = evaluation.origin(subject, deployed, options, HERE)
    with recorded([detections], origin, len(objects)):
        coco.write_detections(detections, pictures, objects)
    print(f"{detections}: the objects in {cli.counted(len(objects), 'picture')}")
    with watch("evaluate"):
        is_scored = not (agreement and subject.seeded)
        figures = score(data, coco.read_detections(detections)) if is_scored else unscored(len(objects))
    if agreement and not subject.seeded:
        drawn = prediction.draw_found(
            options.out / "drawn", pictures, objects, what="objects", score=SCORE, name_of=name_of
        )
        print(f"{drawn}: the sample pictures with the objects found drawn on them")
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
