"""Measure R-FCN on VOC2007, from checkpoint or ONNX file to mean AP and verdict, in one command.

python evaluate.py --checkpoint faster_rcnn_2_12_5010.pth --data data
python evaluate.py

The second form needs no data: it compares the deployed model with torch on library pictures, which is not the published
metric. Without --checkpoint and --model the published checkpoint is taken from weights/; where it is not there, seeded
weights stand in, and the output says so. --form original exports what the published figure was measured with; without
it the guide's form is measured, which runs on the NPU. An ONNX file given by --model may have either form.
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
from common.facts import Facts, read_facts
from pth2onnx import FORMS, export_form
from rfcn_adapt import adapt
from rfcn_voc import sample, voc
from rfcn_voc.agreement import Agreement, check_regions, compare_pictures
from rfcn_voc.detections import write_detections
from rfcn_voc.pipeline import IM_INFO, find_objects, placements
from rfcn_voc.preprocessing import note_cropped
from rfcn_voc.scoring import score

if TYPE_CHECKING:
    from rfcn_voc.network import Rfcn

HERE = Path(__file__).resolve().parent


def agree(deployed: Backend, network: Rfcn, paths: Sequence[Path], model: Facts) -> Agreement:
    """Measure and print how well the deployed model agrees with torch on picture files."""
    agreement = compare_pictures(deployed, partial(run_torch, network), paths)
    print(f"agreement with torch on {agreement.pictures} pictures:")
    print_differences(model, agreement.outputs)
    print(f"  {agreement}")
    return agreement


def load(options: argparse.Namespace, model: Facts) -> tuple[Rfcn, str | None]:
    """Return the torch network, see `common.evaluation.load_network`."""
    from rfcn_voc.network import load_checkpoint, seeded

    return load_network(options, model, HERE, load_checkpoint, seeded)


def export_to(out: Path, network: Rfcn, model: Facts, form: str) -> Path:
    """Write the ONNX file, and from the guide's form that for ATC, to the directory `out`; return the first one's path."""
    target = out / model.onnx
    export_form(network, model, target, form)
    if form == "guide":
        adapt(target, out / str(model.atc.onnx))
    return target


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    arguments.add_argument(
        "--form", choices=FORMS, help=f"Which form to export, see pth2onnx.py (default: {FORMS[0]})."
    )
    options = parse(arguments, argv, voc.DATA_HELP, "comp4_det_test_<class>.txt")
    if options.form and options.model:
        arguments.error("--form is for an export; the file of --model has its form already")

    model = read_facts(HERE)
    # The data first: a mistake in it should not cost an export.
    data = voc.read_voc(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        data = data.first(options.limit)
    truth = voc.read_objects(data)
    note_cropped(placements(data.pictures))
    pictures = {stem: picture.path for stem, picture in data.pictures.items()}

    subject = subject_of(
        options,
        lambda: load(options, model),
        lambda network: export_to(options.out, network, model, options.form or FORMS[0]),
        sample.WHAT,
    )

    deployed = open_deployed(subject.onnx, options.backend, model, HERE, [IM_INFO])
    batch_size = choose_batch_size(deployed, options.batch_size)
    objects, seconds = find_objects(deployed, pictures, batch_size, options.workers)
    agreement, more = None, {}
    if subject.network and not options.data:
        agreement = agree(deployed, subject.network, list(pictures.values()), model)
        more = {
            "agreement with torch": agreement.share,
            "regions as torch's": agreement.regions,
            **as_metrics(model, agreement.outputs),
        }
    deployed.close()
    write_detections(options.out, data, objects)
    print(f"{options.out}: the objects in {len(objects)} pictures, comp4_det_test_<class>.txt")
    verdict = score(
        data,
        options.out,
        options.out,
        model,
        truth=truth,
        dataset=None if options.data else sample.WHAT,
        why_not_comparable=subject.why_not_comparable,
        more=more,
        backend=deployed.name,
        precision=deployed.precision,
        seconds={"export": subject.seconds, **seconds},
    )
    if agreement:
        check_differences(model, agreement.outputs, OTHER_CHECKPOINT)
        check_regions(agreement.regions, OTHER_CHECKPOINT)
    return 1 if verdict == "FAIL" else 0


if __name__ == "__main__":
    raise SystemExit(main())
