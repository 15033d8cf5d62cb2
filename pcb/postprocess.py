"""Score the network's results on Market-1501: mean average precision and top-1, 5, 10.

python postprocess.py -q ./result/dumpOutput_device0_query -g ./result/dumpOutput_device0_gallery -d market --data-dir ./datasets/Market-1501/

Only the first output, the features, is read; the others may be there or not. Writes PCB_inference_result.json, the
guide's table, and metrics.json.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common import cli, screen
from common.engine.file_route import read_predictions
from common.errors import GuideError
from common.facts import Facts, read_facts
from common.npu_files.origin import results_origin
from common.npu_files.results import network_of, open_results
from common.report.details import add_worst
from common.report.metrics_json import conclude
from common.timing import Stopwatch
from pcb_market import market
from pcb_market.market import Pictures
from pcb_market.postprocessing import matrix
from pcb_market.scoring import score
from pcb_market.task import TASK

HERE = Path(__file__).resolve().parent


def read_features(folder: Path, pictures: Pictures, facts: Facts) -> NDArray[np.float32]:
    """Return the features of pictures from a result directory, Nx12288 float32, in the pictures' order."""
    shapes = [tensor.image_shape for tensor in facts.outputs]
    results = open_results(folder, pictures, shapes, needed=1)
    features = replace(results, shapes=results.shapes[:1])  # the others are not read
    return matrix(read_predictions(TASK, features, dict.fromkeys(pictures)), len(pictures))


def check_same_network(query: Path, gallery: Path) -> None:
    """Refuse features of two networks, whose distances mean nothing, where `common.infer` noted which they are."""
    made = [network_of(folder) for folder in (query, gallery)]
    if None not in made and made[0] != made[1]:
        raise GuideError(f"{query} and {gallery} are results of two networks. Run the same one on both.")


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    for flag, part in (("-q", "query"), ("-g", "gallery")):
        add(
            flag,
            f"--{part}",
            type=Path,
            required=True,
            metavar="DIR",
            help=f"The results of the inference on the {part}: <name>_<k>.bin or .txt, k counted from 0 or from 1.",
        )
    add("--data", "--data-dir", type=Path, required=True, metavar="DIR", help=f"{market.DATA_HELP}.")
    add(
        "--out",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="The directory that PCB_inference_result.json and metrics.json are written to (default: %(default)s).",
    )
    add(
        "-d",
        "--dataset",
        choices=("market",),
        default="market",
        help="The guide's flag; there is one data set.",
    )
    add_worst(arguments)
    options = screen.parse(arguments, argv)
    facts, watch = read_facts(HERE), Stopwatch()
    data = market.read_market(options.data)
    with watch("postprocess"):
        query = read_features(options.query, data.query, facts)
        gallery = read_features(options.gallery, data.gallery, facts)
    check_same_network(options.query, options.gallery)
    origin = results_origin(facts, HERE, [options.query, options.gallery], [options.data], options.out)
    with watch("evaluate"):
        figures = score(data, query, gallery)
    return conclude(options.out, facts, figures, replace(origin, seconds=watch.seconds), worst=options.worst)


if __name__ == "__main__":
    raise SystemExit(main())
