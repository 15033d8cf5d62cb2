"""Measure LResNet100E-IR on LFW, from checkpoint or ONNX file to accuracy and verdict, in one command.

python evaluate.py --checkpoint model_ir_se100.pth --data data/lfw.bin
python evaluate.py

The second form needs no data: it compares the deployed model with torch on sample pairs, which is not the published
metric. Without --checkpoint and --model the published checkpoint is taken from weights/; where it is not there, seeded
weights stand in, and the output says so.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import cli
from common.backends.base import choose_batch_size
from common.backends.deployed import open_deployed
from common.backends.torch import run_torch
from common.compare.differences import as_metrics, check_differences, differences, print_differences
from common.evaluation import OTHER_CHECKPOINT, load_network, parse, subject_of
from common.export.checkpoint import seeded
from common.facts import Facts, read_facts
from lresnet_lfw import lfw, metric, sample
from lresnet_lfw.lfw import Pairs
from lresnet_lfw.pipeline import embed, fuse_named, prepare
from lresnet_lfw.postprocessing import pair_distances
from lresnet_lfw.scoring import score
from pth2onnx import export_simplified

if TYPE_CHECKING:
    from lresnet_lfw.network import LResNet

HERE = Path(__file__).resolve().parent


def agree(
    features: Mapping[str, np.ndarray], network: LResNet, pairs: Pairs, model: Facts
) -> dict[str, float]:
    """Compare the deployed model's features, by input name, with torch's, print that, return it for metrics.json."""
    wanted = {
        name: run_torch(network, prepare(source)[0][None])[0][0]
        for name, source in cli.progress(list(lfw.both(pairs.faces)), len(features), "torch")
    }
    largest = max(differences([features[name]], [wanted[name]]).item() for name in wanted)
    accuracy = metric.verify(pair_distances(fuse_named(wanted, pairs.faces)), pairs.same).accuracy
    print(f"agreement with torch on {len(wanted)} inputs:")
    print_differences(model, [largest])
    print(f"  accuracy: torch {accuracy!r}")
    check_differences(model, [largest], OTHER_CHECKPOINT)
    return {"accuracy with torch": accuracy, **as_metrics(model, [largest])}


def load(options: argparse.Namespace, model: Facts) -> tuple[LResNet, str | None]:
    """Return the torch network, see `common.evaluation.load_network`."""
    from lresnet_lfw.network import LResNet, load_checkpoint

    return load_network(options, model, HERE, load_checkpoint, lambda: seeded(LResNet))


def export_to(out: Path, network: LResNet, model: Facts) -> Path:
    """Write the ONNX files of both steps to the directory `out` and return the last one's path."""
    return export_simplified(network, model, out / Path(model.onnx).name.replace("_sim", ""))


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    options = parse(arguments, argv, lfw.DATA_HELP, "pairs.csv")

    model = read_facts(HERE)
    # The data first: a mistake in it should not cost an export.
    pairs = lfw.read_pairs(options.data or sample.write_sample(options.out / "sample"))
    if options.limit:
        pairs = pairs.first(options.limit)
    metric.check_count(len(pairs.same))

    subject = subject_of(
        options,
        lambda: load(options, model),
        lambda network: export_to(options.out, network, model),
        sample.WHAT,
    )

    deployed = open_deployed(subject.onnx, options.backend, model, HERE)
    batch_size = choose_batch_size(deployed, options.batch_size)
    features, seconds = embed(deployed, pairs.faces, batch_size, options.workers)
    deployed.close()
    more = {}
    if subject.network and not options.data:
        more = agree(features, subject.network, pairs, model)
    verdict = score(
        fuse_named(features, pairs.faces),
        pairs.same,
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
