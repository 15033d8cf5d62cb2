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
from pathlib import Path
from typing import TYPE_CHECKING

from common import cli, evaluation
from common.compare.with_torch import with_torch
from common.export.onnx_file import export
from common.facts import Facts, read_facts
from common.report.figures import Origin
from common.report.metrics_json import conclude
from common.timing import Stopwatch
from pcb_market import market, metric, sample
from pcb_market.postprocessing import matrix
from pcb_market.scoring import score
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
    options = evaluation.parse(cli.parser(__doc__), argv, market.DATA_HELP, "PCB_inference_result.json")

    # The data first: a mistake in it should not cost an export.
    data = market.read_market(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        data = data.first(options.limit)
    pictures, queries = data.pictures, len(data.query)

    subject = evaluation.subject(
        options, facts, HERE, load=load, export_to=export_to, sample=sample.WHAT, watch=watch
    )
    with evaluation.opened(subject, options, facts, HERE, len(pictures)) as deployed:
        features = matrix(evaluation.predictions(TASK, deployed, pictures, options, watch), len(pictures))
        agreement = None
        if subject.network:
            agreement = with_torch(TASK, facts, HERE, deployed, subject.network, pictures)

    more = {}
    if agreement:
        wanted = matrix(agreement.torch.items(), len(pictures))
        scores = metric.evaluate(wanted[:queries], wanted[queries:], data.query, data.gallery)
        print(f"  torch: mAP {scores.mean_ap!r}, top-1 {scores.top(1)!r}")
        more = {"mAP with torch": scores.mean_ap, **agreement.metrics}
    with watch("evaluate"):
        figures = score(data, features[:queries], features[queries:])
    origin = Origin(subject.dataset, deployed.name, deployed.precision, watch.seconds, subject.caveats)
    status = conclude(options.out, facts, figures, origin, more)
    if agreement:
        agreement.check()
    return status


if __name__ == "__main__":
    raise SystemExit(main())
