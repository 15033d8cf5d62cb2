"""Measure LResNet100E-IR on LFW, from checkpoint or ONNX file to accuracy and verdict, in one command.

python evaluate.py --checkpoint model_ir_se100.pth --data data/lfw.bin
python evaluate.py

The second form needs no data: it compares the deployed model with torch on sample pairs, which is not the published
metric. Without --checkpoint and --model the published checkpoint is taken from weights/, model/ or this directory;
where it is not there, seeded weights stand in, and the output says so. Run again after an interruption, it goes on with
the faces whose features are not stored yet.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common import cli, evaluation
from common.compare.with_torch import with_torch
from common.facts import Facts, read_facts
from common.report.figures import Origin
from common.report.metrics_json import conclude
from common.timing import Stopwatch
from lresnet_lfw import lfw, metric, sample
from lresnet_lfw.postprocessing import add_flipped_by_name, pair_distances
from lresnet_lfw.scoring import score
from lresnet_lfw.task import TASK
from pth2onnx import export_simplified

if TYPE_CHECKING:
    from lresnet_lfw.network import LResNet

HERE = Path(__file__).resolve().parent


def load(checkpoint: Path | None) -> LResNet:
    """Return the torch network with a checkpoint's weights, with seeded ones for None."""
    from lresnet_lfw import network

    return network.load_checkpoint(checkpoint) if checkpoint else network.seeded()


def export_to(out: Path, network: LResNet, facts: Facts) -> Path:
    """Write the ONNX files of both steps to the directory `out` and return the last one's path."""
    return export_simplified(network, facts, out / Path(facts.onnx).name.replace("_sim", ""))


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts, watch = read_facts(HERE), Stopwatch()
    options = evaluation.parse(cli.parser(__doc__), argv, lfw.DATA_HELP, "pairs.csv")

    # The data first: a mistake in it should not cost an export.
    pairs = lfw.read_pairs(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        pairs = pairs.first(options.limit)
    metric.check_count(len(pairs.same))
    inputs = dict(lfw.both(pairs.faces))

    subject = evaluation.subject(
        options, facts, HERE, load=load, export_to=export_to, sample=sample.WHAT, watch=watch
    )
    with evaluation.opened(subject, options, facts, HERE, len(inputs)) as deployed:
        features = dict(evaluation.predictions(TASK, deployed, inputs, options, watch))
        agreement = None
        if subject.network:
            agreement = with_torch(TASK, facts, HERE, deployed, subject.network, inputs)

    more = {}
    if agreement:
        distances = pair_distances(add_flipped_by_name(agreement.torch, pairs.faces))
        accuracy = metric.verify(distances, pairs.same).accuracy
        print(f"  accuracy: torch {accuracy!r}")
        more = {"accuracy with torch": accuracy, **agreement.metrics}
    with watch("evaluate"):
        figures = score(pairs.same, add_flipped_by_name(features, pairs.faces))
    origin = Origin(subject.dataset, deployed.name, deployed.precision, watch.seconds, subject.caveats)
    status = conclude(options.out, facts, figures, origin, more)
    if agreement:
        agreement.check()
    return status


if __name__ == "__main__":
    raise SystemExit(main())
