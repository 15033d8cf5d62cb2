"""Turn the network's results into detections and score them on VOC2007.

python postprocess.py --input ./result/dumpOutput_device0/ --output out
python postprocess.py --detections out --data data --out out

The first form writes comp4_det_test_<class>.txt for each class, VOC's own format, and scores them; the second scores
stored ones again, without pictures. Both write metrics.json. With --shard K/N only that part's detections are stored,
and the run that completes the last part joins and scores them all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import cli
from common.engine.shard import add_shard
from common.facts import Facts, read_facts
from common.npu_files.results import open_results, origin_of
from rfcn_voc import shards, voc
from rfcn_voc.detections import write_detections
from rfcn_voc.pipeline import placements
from rfcn_voc.postprocessing import detect
from rfcn_voc.preprocessing import note_cropped
from rfcn_voc.scoring import score
from rfcn_voc.voc import Voc

HERE = Path(__file__).resolve().parent


def find_objects(results: Path, part: Voc, data: Voc, model: Facts) -> dict[str, np.ndarray]:
    """Return the detections in a part of the data by stem; the results of it must be complete."""
    if not part.pictures:
        return {}
    shapes = [tensor.image_shape for tensor in model.outputs]
    opened = open_results(results, part.pictures, shapes, others=data.pictures)
    placed = placements(part.pictures)
    note_cropped(placed)
    return {
        stem: detect(opened.read(stem), placed[stem])
        for stem in cli.progress(part.pictures, len(part.pictures), "postprocess")
    }


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
    model = read_facts(HERE)
    data = voc.read_voc(options.data, need_pictures=options.detections is None)
    start = time.perf_counter()
    seconds: dict[str, float] = {}
    detections = options.detections
    if detections is None:
        detections, part = options.out, data.shard(options.shard)
        objects = find_objects(options.results, part, data, model)
        if options.shard:
            missing = shards.add(detections, options.shard, part, objects)
            print(f"shard {options.shard}: the objects in {len(part.pictures)} pictures are stored")
            if missing:
                print(f"run the other shards with the same --out: {cli.shorten(map(str, missing))} missing")
                return 0
            oldest = shards.join(detections, options.shard.count, data)
            print(f"joined {options.shard.count} shards, the oldest stored {oldest:%Y-%m-%d %H:%M}")
        else:
            write_detections(detections, data, objects)
        print(f"{detections}: the objects in {len(data.pictures)} pictures")
        seconds["postprocess"] = time.perf_counter() - start
    backend, precision = origin_of(options.results) if options.results else (None, None)
    verdict = score(
        data, detections, options.out, model, backend=backend, precision=precision, seconds=seconds
    )
    return 1 if verdict == "FAIL" else 0


if __name__ == "__main__":
    raise SystemExit(main())
