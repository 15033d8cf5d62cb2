"""Turn the network's results into detections and score them on VOC2007.

python postprocess.py --input ./result/dumpOutput_device0/ --output out
python postprocess.py --detections out --data data --out out

The first form writes comp4_det_test_<class>.txt for each class, VOC's own format, and scores them; the second scores
stored ones again, without pictures. Both write metrics.json. With --shard K/N only that part's detections are stored,
in OUT/shards.sqlite, and the run that completes the last part joins and scores them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common import cli
from common.engine.file_route import read_predictions
from common.engine.shard import add_shard
from common.facts import Facts, read_facts
from common.npu_files.results import open_results, origin_of
from common.report.figures import Origin
from common.report.metrics_json import conclude
from common.timing import Stopwatch
from rfcn_voc import shards, voc
from rfcn_voc.detections import read_detections, write_detections
from rfcn_voc.preprocessing import note_cropped
from rfcn_voc.scoring import score
from rfcn_voc.task import TASK, placements
from rfcn_voc.voc import Voc

HERE = Path(__file__).resolve().parent


def find_objects(results: Path, part: Voc, data: Voc, facts: Facts) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the detections in a part of the data by stem; the results of it must be complete."""
    shapes = [tensor.image_shape for tensor in facts.outputs]
    opened = open_results(results, part.pictures, shapes, others=data.pictures)
    placed = placements(part.pictures)
    note_cropped(placed)
    return read_predictions(TASK, opened, placed)


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    source = arguments.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--results",
        "--input",
        type=Path,
        metavar="DIR",
        help="The results of the inference: <name>_<k>.bin or .txt, k counted from 0 or from 1.",
    )
    source.add_argument(
        "--detections",
        type=Path,
        metavar="DIR",
        help="A directory of comp4_det_test_<class>.txt to score again.",
    )
    add("--data", type=Path, default=voc.DATA, metavar="DIR", help=voc.DATA_ARGUMENT)
    add(
        "--out",
        "--output",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="The directory that the detections and metrics.json are written to (default: %(default)s).",
    )
    add_shard(arguments)
    options = arguments.parse_args(argv)
    if options.shard and options.detections:
        arguments.error("--shard takes part of the results, not of stored detections")
    facts, watch = read_facts(HERE), Stopwatch()
    data = voc.read_voc(options.data, need_pictures=options.detections is None)
    detections, backend, precision = options.detections, None, None
    if options.results:
        detections, store = options.out, options.out / shards.STORE
        part = data.shard(options.shard)
        if not part.pictures:
            print(f"shard {options.shard}: none of the pictures belongs to it; nothing to do")
            return 0
        with watch("postprocess"):
            objects = dict(find_objects(options.results, part, data, facts))
            if options.shard:
                joined = shards.join(store, options.results, options.shard, data, objects)
                if joined is None:
                    return 0
                objects = joined
            write_detections(detections, data, objects)
        print(f"{detections}: the objects in {len(objects)} pictures")
        backend, precision = origin_of(options.results)
    with watch("evaluate"):
        figures = score(data, voc.read_objects(data), read_detections(detections, data))
    origin = Origin(facts.accuracy.dataset, backend, precision, watch.seconds)
    status = conclude(options.out, facts, figures, origin)
    if options.shard:
        store.unlink(missing_ok=True)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
