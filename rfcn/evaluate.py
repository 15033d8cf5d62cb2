"""Measure R-FCN on VOC2007, from checkpoint or ONNX file to mean AP and verdict, in one command.

python evaluate.py --checkpoint faster_rcnn_2_12_5010.pth --data data
python evaluate.py

The second form needs no data: it compares the deployed model with torch on library pictures, which is not the published
metric. Without --checkpoint and --model the published checkpoint is taken from weights/, model/ or this directory;
where it is not there, seeded weights stand in, and the output says so. --form original exports what the published
figure was measured with; without it the guide's form is measured, which runs on the NPU. An ONNX file given by --model
may have either form. Run again after an interruption, it goes on with the pictures whose objects are not stored yet.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
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
from pth2onnx import FORMS, export_form
from rfcn_adapt import adapt
from rfcn_voc import sample, voc
from rfcn_voc.detections import read_detections, result_files, write_detections
from rfcn_voc.known import KNOWN
from rfcn_voc.preprocessing import note_cropped
from rfcn_voc.regions import RegionDifferences, region_problems
from rfcn_voc.scoring import against, score
from rfcn_voc.task import IM_INFO, SAME_OBJECTS, SCORE, TASK, placements

if TYPE_CHECKING:
    from rfcn_voc.network import Rfcn

HERE = Path(__file__).resolve().parent


def load(checkpoint: Path | None) -> Rfcn:
    """Return the torch network with a checkpoint's weights, with seeded ones for None."""
    from rfcn_voc import network

    return network.load_checkpoint(checkpoint) if checkpoint else network.seeded()


def export_to(out: Path, network: Rfcn, facts: Facts, form: str = FORMS[0]) -> Path:
    """Write the ONNX file, and from the guide's form that for ATC, to the directory `out`; return the first one's path."""
    export_form(network, facts, out / facts.onnx, form)
    if form == "guide":
        adapt(out / facts.onnx, out / str(facts.atc.onnx))
    return out / facts.onnx


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts, watch = read_facts(HERE), Stopwatch()
    arguments = cli.parser(__doc__)
    arguments.add_argument(
        "--form", choices=FORMS, help=f"Which form to export, see pth2onnx.py (default: {FORMS[0]})."
    )
    add_worst(arguments)
    options = parse(arguments, argv, voc.DATA_HELP, "comp4_det_test_<class>.txt")
    form = options.own.form
    if form and options.model:
        arguments.error("--form is for an export; the file of --model has its form already")
    if form == "original" and options.runtime.backend == "om":
        arguments.error("--form original runs on no NPU; the guide's form does")

    # The data first: a mistake in it should not cost an export.
    data = voc.read_voc(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        data = data.first(options.limit)
    pictures, truth = data.pictures, voc.read_objects(data)
    note_cropped(placements(pictures))

    export = partial(export_to, form=form or FORMS[0])
    subject = evaluation.subject(
        options, facts, HERE, load=load, export_to=export, sample=sample.WHAT, watch=watch
    )
    told = told_last(options.out, facts, is_sample=options.data is None)
    with told, evaluation.opened(subject, options, facts, HERE, len(pictures), [IM_INFO]) as deployed:
        regions = RegionDifferences()
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
            differences=regions,
            same=SAME_OBJECTS,
        )
        if agreement:
            # Without equal regions nothing else is. In a reduced precision a region can move by half a pixel, and which
            # are the same says nothing.
            is_judged = deployed.precision == "float32"
            agreement = agreement.with_others(
                {"regions as torch's": regions.share}, region_problems(regions.share) if is_judged else ()
            )

    begin(options.out)
    origin = evaluation.origin(subject, deployed, options, HERE)
    with recorded(result_files(options.out), origin, len(objects)):
        write_detections(options.out, data, objects)
    print(f"{options.out}: the objects in {cli.counted(len(objects), 'picture')}, comp4_det_test_<class>.txt")
    with watch("evaluate"):
        is_scored = not (agreement and subject.seeded)
        figures = (
            score(data, truth, read_detections(options.out, data)) if is_scored else unscored(len(objects))
        )
    if agreement and not subject.seeded:
        drawn = prediction.draw_found(
            options.out / "drawn", pictures, objects, what="objects", score=SCORE, name_of=voc.name_of
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
