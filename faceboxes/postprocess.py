"""Turn the network's results into faces and score them on FDDB.

python postprocess.py --results result/dumpOutput_device0 --prep prep --data FDDB --out output
python postprocess.py --detections output/FDDB_dets.txt --data FDDB --out output

The first form writes FDDB_dets.txt and scores it; the second scores a stored one again, without pictures. Both
write results.txt (AP per fold) and metrics.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common import cli
from common.engine.file_route import read_predictions
from common.errors import GuideError
from common.facts import read_facts
from common.npu_files.results import open_results, origin_of
from common.report.figures import Origin
from common.report.metrics_json import begin, conclude
from common.report.record import recalled, recorded
from common.threads import map_threads
from common.timing import Stopwatch
from faceboxes_fddb import fddb
from faceboxes_fddb.fddb import Fold
from faceboxes_fddb.scoring import score
from faceboxes_fddb.task import TASK

HERE = Path(__file__).resolve().parent


def find_factors(data: Path, folds: Sequence[Fold], prep: Path | None, workers: int) -> dict[str, float]:
    """Return the resize factors of all pictures, with three decimals: from FDDB.txt, or else from the pictures."""
    pictures = [picture for fold in folds for picture in fold]
    if prep is None:
        paths = fddb.find_pictures(data, pictures)
        factors = map_threads(lambda path: TASK.prepare(path)[1], paths.values(), workers)
        return dict(zip(paths, cli.progress(factors, len(paths), "sizes"), strict=True))
    known = fddb.read_prep(prep / "FDDB.txt")
    stems = [picture.stem for picture in pictures]
    if absent := sorted(set(stems) - set(known)):
        raise GuideError(
            f"{prep / 'FDDB.txt'}: lacks {cli.shorten(absent)} ({len(absent)} in all) of the data set; "
            "run preprocess.py on it again."
        )
    return known


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    source = arguments.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--results",
        "--prep_folder",
        type=Path,
        metavar="DIR",
        help="The results of the inference: <name>_<k>.bin or .txt, k counted from 0 or from 1.",
    )
    source.add_argument("--detections", type=Path, metavar="F", help="An FDDB_dets.txt to score again.")
    add("--data", type=Path, required=True, metavar="DIR", help=f"{fddb.DATA_HELP}.")
    add(
        "--prep",
        "--prep_info",
        type=Path,
        metavar="DIR",
        help="The directory with FDDB.txt, the resize factors, that preprocess.py wrote "
        "(default: the factors are computed from the pictures in --data).",
    )
    add(
        "--out",
        "--save_folder",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="The directory that FDDB_dets.txt, results.txt and metrics.json are written to (default: %(default)s).",
    )
    cli.add_workers(arguments)
    options = arguments.parse_args(argv)
    facts, watch = read_facts(HERE), Stopwatch()
    folds = fddb.read_folds(options.data)
    detections, origin = options.detections, Origin(facts.accuracy.dataset, None, None, {})
    if options.results:
        with watch("postprocess"):
            factors = find_factors(options.data, folds, options.prep, options.workers)
            shapes = [tensor.image_shape for tensor in facts.outputs]
            results = open_results(options.results, factors, shapes)
            faces = dict(read_predictions(TASK, results, factors))
            detections = options.out / "FDDB_dets.txt"
            begin(options.out)
            origin = Origin(facts.accuracy.dataset, *origin_of(options.results), {})
            with recorded([detections], origin, len(faces)):
                fddb.write_detections(detections, faces)
        print(f"{detections}: the faces of {cli.counted(len(faces), 'picture')}")
    else:
        origin = recalled([detections], origin, sum(map(len, folds)))
    with watch("evaluate"):
        figures = score(folds, fddb.read_detections(detections))
    return conclude(options.out, facts, figures, replace(origin, seconds=watch.seconds))


if __name__ == "__main__":
    raise SystemExit(main())
