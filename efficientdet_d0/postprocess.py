"""Turn the network's results into detections and score them on COCO.

python postprocess.py --root=./coco_data --omfile=./result
python postprocess.py --detections output/detections.json --data coco_data --out output

The first form writes detections.json, COCO's results format, and scores it; the second scores a stored one again,
without pictures. Both write metrics.json.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common import cli, screen
from common.engine.file_route import read_predictions
from common.facts import read_facts
from common.npu_files.origin import results_origin
from common.npu_files.results import open_results
from common.report.details import add_worst
from common.report.metrics_json import begin, conclude
from common.report.record import recalled, recorded
from common.timing import Stopwatch
from efficientdet_coco import coco
from efficientdet_coco.preprocessing import placement
from efficientdet_coco.scoring import score
from efficientdet_coco.task import TASK

HERE = Path(__file__).resolve().parent


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
    add_worst(arguments)
    options = screen.parse(arguments, argv)
    facts, watch = read_facts(HERE), Stopwatch()
    data = coco.read_coco(options.data, need_pictures=False)
    detections = options.detections
    origin = results_origin(facts, HERE, [options.results], [options.data], options.out)
    if options.results:
        with watch("postprocess"):
            placed = {
                stem: placement(picture.width, picture.height) for stem, picture in data.pictures.items()
            }
            shapes = [tensor.image_shape for tensor in facts.outputs]
            results = open_results(options.results, placed, shapes)
            objects = dict(read_predictions(TASK, results, placed))
            detections = options.out / "detections.json"
            begin(options.out)
            with recorded([detections], origin, len(objects)):
                coco.write_detections(detections, data.pictures, objects)
        print(f"{detections}: the objects in {cli.counted(len(objects), 'picture')}")
    else:
        origin = recalled([detections], origin, len(data.pictures))
    with watch("evaluate"):
        figures = score(data, coco.read_detections(detections))
    return conclude(options.out, facts, figures, replace(origin, seconds=watch.seconds), worst=options.worst)


if __name__ == "__main__":
    raise SystemExit(main())
