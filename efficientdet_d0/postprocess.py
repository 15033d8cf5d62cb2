"""Turn the network's results into detections and score them on COCO.

python postprocess.py --root=./coco_data --omfile=./result
python postprocess.py --detections output/detections.json --data coco_data --out output

The first form writes detections.json, COCO's results format, and scores it; the second scores a stored one again,
without pictures. Both write metrics.json.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import cli
from common.facts import Facts, read_facts
from common.npu_files.results import open_results, origin_of
from efficientdet_coco import coco
from efficientdet_coco.coco import Coco
from efficientdet_coco.postprocessing import detect
from efficientdet_coco.preprocessing import placement
from efficientdet_coco.scoring import score

HERE = Path(__file__).resolve().parent


def find_objects(results: Path, data: Coco, model: Facts) -> dict[str, np.ndarray]:
    """Return the detections by stem from a complete result directory."""
    opened = open_results(results, data.pictures, [tensor.image_shape for tensor in model.outputs])
    return {
        stem: detect(opened.read(stem), placement(picture.width, picture.height))
        for stem, picture in cli.progress(data.pictures.items(), len(data.pictures), "postprocess")
    }


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    source = arguments.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--results",
        "--omfile",
        type=Path,
        metavar="DIR",
        help="The results of the inference: <name>_<k>.bin or .txt, k counted from 0 or from 1.",
    )
    source.add_argument("--detections", type=Path, metavar="F", help="A results JSON to score again.")
    add("--data", "--root", type=Path, required=True, metavar="DIR", help=f"{coco.DATA_HELP}.")
    add(
        "--out",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="The directory that detections.json and metrics.json are written to (default: %(default)s).",
    )
    options = arguments.parse_args(argv)
    model = read_facts(HERE)
    data = coco.read_coco(options.data, need_pictures=False)
    start = time.perf_counter()
    seconds: dict[str, float] = {}
    detections = options.detections
    if detections is None:
        detections = options.out / "detections.json"
        coco.write_detections(detections, data.pictures, find_objects(options.results, data, model))
        print(f"{detections}: the objects in {len(data.pictures)} pictures")
        seconds["postprocess"] = time.perf_counter() - start
    backend, precision = origin_of(options.results) if options.results else (None, None)
    verdict = score(
        data, detections, options.out, model, backend=backend, precision=precision, seconds=seconds
    )
    return 1 if verdict == "FAIL" else 0


if __name__ == "__main__":
    raise SystemExit(main())
