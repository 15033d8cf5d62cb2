"""Measure PCB on Market-1501, from checkpoint or ONNX file to top-1, 5, 10 and verdict, in one command.

python evaluate.py --checkpoint PCB_3_7.pt --data Market-1501
python evaluate.py

The second form needs no data: it compares the deployed model with torch on sample pictures, which is not the published
metric. Without --checkpoint and --model the published checkpoint is taken from weights/ or downloaded; where that is
impossible, seeded weights stand in, and the output says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import cli
from common.backends.base import Backend, choose_batch_size, run_batch
from common.backends.deployed import open_deployed
from common.backends.torch import run_torch
from common.compare.differences import as_metrics, check_differences, differences, print_differences
from common.evaluation import OTHER_CHECKPOINT, load_network, parse, subject_of
from common.export.checkpoint import seeded
from common.export.onnx_file import export
from common.facts import Facts, read_facts
from pcb_market import market, metric, sample
from pcb_market.market import Market
from pcb_market.pipeline import embed, prepare
from pcb_market.scoring import score

if TYPE_CHECKING:
    from pcb_market.network import PCB

HERE = Path(__file__).resolve().parent


def agree(deployed: Backend, network: PCB, data: Market, model: Facts) -> dict[str, float]:
    """Compare the deployed model's outputs and figures with torch's, print that, return it for metrics.json."""
    largest = np.zeros(len(model.outputs))
    features: dict[str, list[np.ndarray]] = {"query": [], "gallery": []}
    pictures = [(part, p.path) for part in features for p in getattr(data, part).values()]
    for part, path in cli.progress(pictures, len(pictures), "torch"):
        image = prepare(path)[0][None]
        wanted = run_torch(network, image)
        largest = np.maximum(largest, differences(run_batch(deployed, image), wanted))  # keeps NaN
        features[part].append(wanted[0].ravel())
    query, gallery = map(np.stack, features.values())
    scores = metric.evaluate(query, gallery, data.query, data.gallery)
    print(f"agreement with torch on {len(pictures)} pictures:")
    print_differences(model, largest.tolist())
    print(f"  torch: mAP {scores.mean_ap!r}, top-1 {scores.top(1)!r}")
    check_differences(model, largest.tolist(), OTHER_CHECKPOINT)
    return {"mAP with torch": scores.mean_ap, **as_metrics(model, largest.tolist())}


def load(options: argparse.Namespace, model: Facts) -> tuple[PCB, str | None]:
    """Return the torch network, see `common.evaluation.load_network`."""
    from pcb_market.network import PCB, load_checkpoint

    return load_network(options, model, HERE, lambda path: load_checkpoint(path, model), lambda: seeded(PCB))


def export_to(out: Path, network: PCB, model: Facts) -> Path:
    """Write the ONNX file to the directory `out` and return its path."""
    export(network, model, out / model.onnx)
    return out / model.onnx


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    options = parse(arguments, argv, market.DATA_HELP, "PCB_inference_result.json")

    model = read_facts(HERE)
    # The data first: a mistake in it should not cost an export.
    data = market.read_market(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        data = data.first(options.limit)

    subject = subject_of(
        options,
        lambda: load(options, model),
        lambda network: export_to(options.out, network, model),
        sample.WHAT,
    )

    deployed = open_deployed(subject.onnx, options.backend, model, HERE)
    batch_size = choose_batch_size(deployed, options.batch_size)
    seconds: dict[str, float] = {}
    features = embed(deployed, market.joined(data.query, data.gallery), batch_size, options.workers, seconds)
    more = {}
    if subject.network and not options.data:
        more = agree(deployed, subject.network, data, model)
    deployed.close()
    verdict = score(
        features[: len(data.query)],
        features[len(data.query) :],
        data,
        options.out,
        model,
        dataset=None if options.data else sample.WHAT,
        why_not_comparable=subject.why_not_comparable,
        more=more,
        backend=deployed.name,
        precision=deployed.precision,
        seconds={"export": subject.seconds, **seconds},
    )
    return 1 if verdict == "FAIL" else 0


if __name__ == "__main__":
    raise SystemExit(main())
