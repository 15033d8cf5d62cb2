"""How fast each network runs on this CPU: our ways beside those of others, and the least that it costs, in one run.

python benchmarks/inference.py
python benchmarks/inference.py --models faceboxes,pcb --rounds 9 --seconds 3 --out output/inference

Ours is what evaluate.py opens with --backend auto, onnxruntime and openvino in float32, and with --backend auto in the
precision below float32 that the CPU has units for. Others are ONNX Runtime, OpenVINO, torch eager and torch.compile, each
with nothing set; which precision OpenVINO then takes is read back. Each way has a process of its own, each round measures
all of them one after the other, and what is compared are ratios within a round. The floor is the network's operations over those of
a large matrix product in the same precision, on all cores. Outputs are compared with those of ONNX Runtime for the graph
as it is written: what is fast with wrong results counts for nothing.

Writes inference.md, inference.json and, where matplotlib is installed, inference.svg. The networks are seeded exports,
made where they are missing, or --model for one of them. On a busy machine the figures are worth little; how busy it was
is told.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import floor
import inference_page
import inference_plot
import inference_rounds
from common import cli
from common.errors import GuideError
from common.facts import read_facts
from common.files import make_folder
from common.graph import outline
from inference_child import PEAK, Child, Job
from inference_page import Network, Peak, Run
from inference_paths import ROOT, Way, reduced_precision
from inputs import MODELS
from seeded import seeded


def main() -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add("--models", default=",".join(MODELS), metavar="A[,B...]", help="Which networks (default: all five).")
    add("--batch-size", type=cli.positive_int, default=1, metavar="N", help="Images per call (default: 1).")
    add("--rounds", type=cli.positive_int, default=5, metavar="N", help="Rounds at most (default: 5).")
    add(
        "--seconds",
        type=cli.number(0.1),
        default=1.5,
        metavar="S",
        help="For how long each way is timed in a round (default: 1.5).",
    )
    add(
        "--minutes",
        type=cli.number(0.1),
        default=12.0,
        metavar="M",
        help="When no further round is begun, after exporting; the first is always finished (default: 12).",
    )
    add(
        "--limit",
        type=cli.number(1),
        default=180.0,
        metavar="S",
        help="Seconds after which a process is ended, compiling included (default: 180).",
    )
    add("--model", type=Path, metavar="F", help="The ONNX file of the one network in --models.")
    add(
        "--checkpoint",
        type=Path,
        metavar="F",
        help="Its weights, for torch; without, torch is left out beside --model.",
    )
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help="The data set of the one network in --models (default: sample pictures).",
    )
    add(
        "--out",
        type=Path,
        default=Path("output/inference"),
        metavar="DIR",
        help="Where everything is written (default: %(default)s).",
    )
    return measure_all(arguments.parse_args())


@cli.command
def measure_all(options: argparse.Namespace) -> int:
    """Measure and show what the command's arguments ask for."""
    names = options.models.split(",")
    if unknown := [name for name in names if name not in MODELS]:
        raise GuideError(f"--models: expected some of {', '.join(MODELS)}, found {', '.join(unknown)}.")
    if len(names) > 1 and (options.model or options.checkpoint or options.data):
        raise GuideError("--model, --checkpoint and --data are one network's: name it with --models.")
    out = options.out.resolve()
    with _folder(out / ".work") as work:
        os.environ["XDG_CACHE_HOME"] = str(
            work / "cache"
        )  # so that --backend auto tries anew, and keeps nothing
        measured = Run(reduced_precision(), vars(options) | {"models": names})
        networks = sorted((_network(name, options) for name in names), key=lambda each: each.operations)
        end = time.monotonic() + 60 * options.minutes
        _measure_peaks(measured, options, work)
        for number, network in enumerate(networks):
            measured.networks.append(network)
            now = time.monotonic()  # what one network leaves of its share is the others'
            inference_rounds.measure(
                network, measured, options, work, now + (end - now) / (len(networks) - number)
            )
            inference_page.write(out, measured)
        _measure_peaks(measured, options, work)
    inference_page.write(out, measured)
    files = "inference.md, inference.json"
    if importlib.util.find_spec("matplotlib"):
        inference_plot.write(out / "inference.svg", measured)
        files += ", inference.svg"
    print(inference_page.text(measured))
    print(f"{out}: {files}")
    return 0


def _network(name: str, options: argparse.Namespace) -> Network:
    """Return a network with its ONNX file, exported where need be, and its operations."""
    folder = ROOT / name
    facts = read_facts(folder)
    model = options.model or seeded(name)
    fixed = outline.describe(outline.load(model)).inputs[0].shape[0]
    size = fixed if isinstance(fixed, int) else options.batch_size
    return Network(name, facts, model.resolve(), size, floor.operations(model, size))


def _measure_peaks(measured: Run, options: argparse.Namespace, work: Path) -> None:
    """Measure what the CPU does at most in each precision; the most of all times counts."""
    for precision in filter(None, ("float32", measured.reduced)):
        cli.announce(f"measuring the peak in {precision}")
        with contextlib.closing(Child(work / "peak.log")) as child:
            found = child.measure(Job(Way(PEAK, precision=precision), options.seconds), options.limit)
        if found.failed:
            print(f"note: the peak in {precision} is not known: {found.failed}", file=sys.stderr)
        elif found.rate > measured.peaks.get(precision, Peak(0, "")).rate:
            measured.peaks[precision] = Peak(found.rate, found.note)


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """Have an empty directory in the block, and none afterwards."""
    shutil.rmtree(path, ignore_errors=True)
    make_folder(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
