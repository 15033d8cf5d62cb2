"""Measure PCB on Market-1501, from checkpoint or ONNX file to top-1, 5, 10 and verdict, in one command.

python evaluate.py --checkpoint PCB_3_7.pt --data Market-1501
python evaluate.py

The second form needs no data: it compares the deployed model with torch on sample pictures, which is not the published
metric. Without --checkpoint and --model the published checkpoint is taken from weights/, model/ or this directory, or
downloaded; where that is impossible, seeded weights stand in, and the output says so. Run again after an interruption,
it goes on with the pictures whose features are not stored yet.
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
from common.export.onnx_file import export
from common.facts import Facts, read_facts
from common.options import parse
from common.report.details import add_worst
from common.report.metrics_json import conclude
from common.timing import Stopwatch
from pcb_market import market, sample
from pcb_market.known import KNOWN
from pcb_market.postprocessing import matrix
from pcb_market.scoring import against, score
from pcb_market.task import TASK

if TYPE_CHECKING:
    from pcb_market.network import PCB

HERE = Path(__file__).resolve().parent


def load(checkpoint: Path | None) -> PCB:
    """Return the torch network with a checkpoint's weights, with seeded ones for None."""
    from pcb_market import network

    return network.load_checkpoint(checkpoint) if checkpoint else network.seeded()


def export_to(out: Path, network: PCB, facts: Facts) -> Path:
    """Write the ONNX file to the directory `out` and return its path."""
    export(network, facts, out / facts.onnx)
    return out / facts.onnx


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts, watch = read_facts(HERE), Stopwatch()
    arguments = cli.parser(__doc__)
    add_worst(arguments)
    options = parse(arguments, argv, market.DATA_HELP, "PCB_inference_result.json")

    # The data first: a mistake in it should not cost an export.
    data = market.read_market(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        data = data.first(options.limit)
    pictures, queries = data.pictures, len(data.query)

    subject = evaluation.subject(
        options, facts, HERE, load=load, export_to=export_to, sample=sample.WHAT, watch=watch
    )
    told = told_last(options.out, facts, is_sample=options.data is None)
    with told, evaluation.opened(subject, options, facts, HERE, len(pictures)) as deployed:
        agreement = None
        if subject.network:
            found, agreement = evaluation.measured(
                TASK,
                facts,
                HERE,
                deployed,
                subject,
                pictures,
                options,
                watch,
                known=KNOWN,
                against=partial(against, queries=queries),
            )
            features = matrix(found.items(), len(pictures))
        else:  # a data set's are held once
            features = matrix(evaluation.predictions(TASK, deployed, pictures, options, watch), len(pictures))

    origin = evaluation.origin(subject, deployed, options, HERE)
    with watch("evaluate"):
        is_scored = not (agreement and subject.seeded)
        figures = (
            score(data, features[:queries], features[queries:]) if is_scored else unscored(len(pictures))
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
