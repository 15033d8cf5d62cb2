"""Turn the network's results into detections and score them on VOC2007.

python postprocess.py --input ./result/dumpOutput_device0/ --output out
python postprocess.py --detections out --data data --out out

The first form writes comp4_det_test_<class>.txt for each class, VOC's own format, and scores them; the second scores
stored ones again, without pictures. Both write metrics.json. With --shard K/N only that part's detections are stored,
in OUT/shards.sqlite, and the run that completes the last part joins and scores them all.
"""

from __future__ import annotations

import install_hint

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common import cli, screen
from common.engine.file_route import read_predictions
from common.engine.shard import add_shard
from common.errors import GuideError
from common.facts import Facts, read_facts
from common.npu_files.origin import results_origin
from common.npu_files.results import Results, open_results
from common.report.details import add_worst
from common.report.metrics_json import begin, conclude
from common.report.record import recalled, recorded
from common.timing import Stopwatch
from rfcn_voc import shards, voc
from rfcn_voc.detections import read_detections, result_files, write_detections
from rfcn_voc.preprocessing import note_cropped
from rfcn_voc.scoring import score
from rfcn_voc.task import TASK, placements
from rfcn_voc.voc import Voc

HERE = Path(__file__).resolve().parent


def find_objects(results: Results, part: Voc) -> dict[str, NDArray[Any]]:
    """Return the detections in a part of the data by stem, from its results."""
    placed = placements(part.pictures)
    note_cropped(placed)
    return dict(read_predictions(TASK, results, placed))


def find_and_join(
    options: argparse.Namespace, store: Path, part: Voc, data: Voc, facts: Facts
) -> dict[str, NDArray[Any]] | None:
    """Return the detections in all pictures, or None while parts are missing; the part's results must be complete."""
    shapes = [tensor.image_shape for tensor in facts.outputs]
    try:
        results = open_results(options.results, part.pictures, shapes, others=data.pictures)
        if not options.shard:
            return find_objects(results, part)
        hashes = {stem: shards.hash_results(results, stem) for stem in part.pictures}
        objects = find_objects(results, part)
    except GuideError:
        if options.shard:
            shards.drop(store, options.results, options.shard, part.pictures)
        raise
    return shards.join(store, results, hashes, options.shard, data, objects)


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
    add_worst(arguments)
    add_shard(arguments)
    options = screen.parse(arguments, argv)
    if options.shard and options.detections:
        arguments.error("--shard takes part of the results, not of stored detections")
    facts, watch = read_facts(HERE), Stopwatch()
    data = voc.read_voc(options.data, need_pictures=options.detections is None)
    detections = options.detections
    origin = results_origin(facts, HERE, [options.results], [options.data], options.out)
    if options.results:
        detections, store = options.out, options.out / shards.STORE
        part = data.shard(options.shard)
        if not part.pictures:
            print(f"shard {options.shard}: none of the pictures belongs to it; nothing to do")
            return 0
        with watch("postprocess"):
            objects = find_and_join(options, store, part, data, facts)
            if objects is None:
                return 0
            begin(options.out)
            with recorded(result_files(detections), origin, len(objects)):
                write_detections(detections, data, objects)
        print(f"{detections}: the objects in {cli.counted(len(objects), 'picture')}")
    else:
        origin = recalled(result_files(detections), origin, len(data.pictures))
    with watch("evaluate"):
        found = read_detections(detections, data)
        figures = score(data, voc.read_objects(data), found)
    status = conclude(
        options.out, facts, figures, replace(origin, seconds=watch.seconds), worst=options.worst
    )
    if options.shard:
        store.unlink(missing_ok=True)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
