"""Measure EfficientDet-D0 on COCO, from checkpoint or ONNX file to mAP and verdict, in one command.

python evaluate.py --checkpoint d0.pth --data coco_data
python evaluate.py

The second form needs no data: it compares the deployed model with torch on library pictures, which is not the published
metric. Without --checkpoint and --model the published checkpoint is taken from weights/; where it is not there, seeded
weights stand in, and the output says so.
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
from efficientdet_coco import coco, sample
from efficientdet_coco.agreement import Agreement, compare_pictures
from efficientdet_coco.pipeline import find_objects
from efficientdet_coco.scoring import score
from modify_onnx import modify
from pth2onnx import export_simplified

if TYPE_CHECKING:
    from efficientdet_coco.network import TenMaps

HERE = Path(__file__).resolve().parent


def agree(deployed: Backend, network: TenMaps, paths: Sequence[Path], model: Facts) -> Agreement:
    """Measure and print how well the deployed model agrees with torch on picture files."""
    agreement = compare_pictures(deployed, partial(run_torch, network), paths)
    print(f"agreement with torch on {agreement.pictures} pictures:")
    print_differences(model, agreement.outputs)
    print(f"  {agreement}")
    return agreement


def load(options: argparse.Namespace, model: Facts) -> tuple[TenMaps, str | None]:
    """Return the torch network, see `common.evaluation.load_network`."""
    from efficientdet_coco.network import load_checkpoint, seeded

    return load_network(options, model, HERE, load_checkpoint, seeded)


def export_to(out: Path, network: TenMaps, model: Facts) -> Path:
    """Write the ONNX files of all three steps to the directory `out` and return the last one's path."""
    target = out / Path(model.onnx).name
    simplified = export_simplified(network, model, target.with_name(target.name.replace("_modify", "")))
    modify(simplified, target, "exact")
    return target


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    options = parse(arguments, argv, coco.DATA_HELP, "detections.json")

    model = read_facts(HERE)
    # The data first: a mistake in it should not cost an export.
    data = coco.read_coco(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        data = data.first(options.limit)
    pictures = {stem: picture.path for stem, picture in data.pictures.items()}

    subject = subject_of(
        options,
        lambda: load(options, model),
        lambda network: export_to(options.out, network, model),
        sample.WHAT,
    )

    deployed = open_deployed(subject.onnx, options.backend, model, HERE)
    batch_size = choose_batch_size(deployed, options.batch_size)
    objects, seconds = find_objects(deployed, pictures, batch_size, options.workers)
    agreement, more = None, {}
    if subject.network and not options.data:
        agreement = agree(deployed, subject.network, list(pictures.values()), model)
        more = {"agreement with torch": agreement.share, **as_metrics(model, agreement.outputs)}
    deployed.close()
    detections = options.out / "detections.json"
    coco.write_detections(detections, data.pictures, objects)
    print(f"{detections}: the objects in {len(objects)} pictures")
    verdict = score(
        data,
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
