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
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from common import cli, evaluation
from common.compare.ended import told_last, unscored
from common.facts import Facts, read_facts
from common.options import parse
from common.report.details import add_worst
from common.report.metrics_json import conclude
from common.timing import Stopwatch
from lresnet_lfw import lfw, metric, sample
from lresnet_lfw.known import KNOWN
from lresnet_lfw.postprocessing import add_flipped_by_name
from lresnet_lfw.scoring import against, score
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
    arguments = cli.parser(__doc__)
    add_worst(arguments)
    options = parse(arguments, argv, lfw.DATA_HELP, "pairs.csv")

    # The data first: a mistake in it should not cost an export.
    pairs = lfw.read_pairs(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        pairs = pairs.first(options.limit)
    metric.check_count(len(pairs.same))
    inputs = dict(lfw.both(pairs.faces))

    subject = evaluation.subject(
        options, facts, HERE, load=load, export_to=export_to, sample=sample.WHAT, watch=watch
    )
    told = told_last(options.out, facts, is_sample=options.data is None)
    with told, evaluation.opened(subject, options, facts, HERE, len(inputs)) as deployed:
        features, agreement = evaluation.measured(
            TASK,
            facts,
            HERE,
            deployed,
            subject,
            inputs,
            options,
            watch,
            known=KNOWN,
            against=partial(against, faces=pairs.faces),
        )

    origin = evaluation.origin(subject, deployed, options, HERE)
    with watch("evaluate"):
        is_scored = not (agreement and subject.seeded)
        figures = (
            score(pairs.same, add_flipped_by_name(features, pairs.faces), pairs.faces)
            if is_scored
            else unscored(len(pairs.faces))
        )
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
