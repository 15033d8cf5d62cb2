"""Score the network's results on Market-1501: mean average precision and top-1, 5, 10.

python postprocess.py -q ./result/dumpOutput_device0_query -g ./result/dumpOutput_device0_gallery -d market --data-dir ./datasets/Market-1501/

Only the first output, the features, is read; the others may be there or not. Writes PCB_inference_result.json, the
guide's table, and metrics.json.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import cli
from common.facts import Facts, read_facts
from common.npu_files.results import open_results, origin_of
from pcb_market import market
from pcb_market.market import Pictures
from pcb_market.scoring import score

HERE = Path(__file__).resolve().parent


def read_features(results: Path, pictures: Pictures, model: Facts) -> np.ndarray:
    """Return the features of pictures from a result directory, Nx12288 float32, in the pictures' order."""
    shapes = [tensor.image_shape for tensor in model.outputs]
    features = open_results(results, pictures, shapes, needed=1).read_all(list(pictures))
    return features.reshape(len(features), -1)


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
    options = arguments.parse_args(argv)
    model = read_facts(HERE)
    start = time.perf_counter()
    data = market.read_market(options.data)
    query = read_features(options.query, data.query, model)
    gallery = read_features(options.gallery, data.gallery, model)
    backend, precision = origin_of(options.query)
    verdict = score(
        query,
        gallery,
        data,
        options.out,
        model,
        backend=backend,
        precision=precision,
        seconds={"postprocess": time.perf_counter() - start},
    )
    return 1 if verdict == "FAIL" else 0


if __name__ == "__main__":
    raise SystemExit(main())
