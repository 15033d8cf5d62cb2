"""Turn the network's results into faces and score them on FDDB.

python postprocess.py --results result/dumpOutput_device0 --prep prep --data FDDB --out output
python postprocess.py --detections output/FDDB_dets.txt --data FDDB --out output
python postprocess.py --save_folder FDDB_Evaluation/ --prep_info prep/ --prep_folder ./result/dumpOutput_device0/

The first form writes FDDB_dets.txt and scores it; the second scores a stored one again, without pictures. Both
write results.txt (AP per fold) and metrics.json. The third is the guide's: it scores if FDDB_Evaluation/ground_truth/ has
the annotations, and without them stores the faces in all pictures of FDDB.txt.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from common import cli, screen
from common.engine.file_route import read_predictions
from common.errors import GuideError
from common.facts import read_facts
from common.npu_files.origin import results_origin
from common.npu_files.results import open_results
from common.report.details import add_worst
from common.report.metrics_json import begin, conclude
from common.report.record import recorded
from common.threads import map_threads
from common.timing import Stopwatch
from faceboxes_fddb import fddb
from faceboxes_fddb.fddb import Fold
from faceboxes_fddb.prep_file import read_prep
from faceboxes_fddb.scoring import score, score_stored
from faceboxes_fddb.task import TASK

HERE = Path(__file__).resolve().parent


def find_factors(
    data: Path | None, folds: Sequence[Fold] | None, prep: Path | None, workers: int
) -> dict[str, float]:
    """Return the resize factors, with three decimals, of all pictures: from FDDB.txt, or else from those in `data`.

    Without annotations (`folds` is None) the pictures are those of FDDB.txt.
    """
    pictures = [picture for fold in folds or () for picture in fold]
    if prep is None:
        if data is None or folds is None:
            raise GuideError(
                "the faces are scaled back with the factors that preprocess.py wrote to FDDB.txt: name its directory with "
                "--prep (--prep_info), or the data set with --data."
            )
        paths = fddb.find_pictures(data, pictures)
        factors = map_threads(lambda path: TASK.prepare(path)[1], paths.values(), workers)
        return dict(zip(paths, cli.progress(factors, len(paths), "sizes"), strict=True))
    known = read_prep(prep / "FDDB.txt")
    stems = [picture.stem for picture in pictures]
    absent = sorted(set(stems) - set(known))
    if absent:
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
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help=f"{fddb.DATA_HELP}; not needed with --prep and annotations elsewhere.",
    )
    fddb.add_labels(arguments)
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
    add_worst(arguments)
    cli.add_workers(arguments)
    options = screen.parse(arguments, argv)
    facts, watch = read_facts(HERE), Stopwatch()
    data, labels, out = options.data, options.labels, options.out
    if options.detections:
        origin = results_origin(facts, HERE, [], [data, fddb.find_labels(data, labels)], out)
        return score_stored(
            options.detections,
            fddb.read_folds(data, labels),
            origin,
            out,
            facts,
            data=data,
            worst=options.worst,
        )

    # Asked for no data set, the faces are stored even where there is none yet.
    scored = data or labels or fddb.find_labels(None)
    folds = fddb.read_folds(data, labels) if scored else None
    with watch("postprocess"):
        factors = find_factors(data, folds, options.prep, options.workers)
        shapes = [tensor.image_shape for tensor in facts.outputs]
        results = open_results(options.results, factors, shapes)
        faces = dict(read_predictions(TASK, results, factors))
        detections = out / "FDDB_dets.txt"
        begin(out)
        places = [data, fddb.find_labels(data, labels)]
        origin = results_origin(facts, HERE, [options.results], places, out)
        with recorded([detections], origin, len(faces)):
            fddb.write_detections(detections, faces)
    print(f"{detections}: the faces of {cli.counted(len(faces), 'picture')}")
    if folds is None:
        (out / "results.txt").unlink(missing_ok=True)  # of other faces
        print(
            f"not scored: no annotations in {' or in '.join(map(str, fddb.GUIDES_PLACES))}. To score the faces: "
            f"python postprocess.py --detections {detections} --labels DIR, DIR with {fddb.LISTS[0]} and so on; or "
            f"python evaluate.py -g {out / 'ground_truth'} once they are there"
        )
        return 0
    with watch("evaluate"):
        figures = score(folds, fddb.read_detections(detections), data)
    return conclude(out, facts, figures, replace(origin, seconds=watch.seconds), worst=options.worst)


if __name__ == "__main__":
    raise SystemExit(main())
