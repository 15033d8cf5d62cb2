"""Turn the network's results into faces and score them on FDDB.

python postprocess.py --results result/dumpOutput_device0 --prep prep --data FDDB --out output
python postprocess.py --detections output/FDDB_dets.txt --data FDDB --out output

The first form writes FDDB_dets.txt and scores it; the second scores a stored one again, without pictures. Both
write results.txt (AP per fold) and metrics.json.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from common import cli
from common.errors import GuideError
from common.facts import Facts, read_facts
from common.images.read import read_image
from common.npu_files.results import open_results, origin_of
from common.threads import map_threads
from faceboxes_fddb import fddb
from faceboxes_fddb.fddb import Fold
from faceboxes_fddb.postprocessing import detect
from faceboxes_fddb.preprocessing import SIZE
from faceboxes_fddb.scoring import score

HERE = Path(__file__).resolve().parent


def picture_factors(data: Path, folds: Sequence[Fold], workers: int) -> dict[str, float]:
    """Return the resize factors, with FDDB.txt's three decimals, from the pictures themselves."""
    pictures = fddb.find_pictures(data, (picture for fold in folds for picture in fold))
    shapes = map_threads(lambda path: read_image(path).shape, pictures.values(), workers)
    sizes = cli.progress(shapes, len(pictures), "sizes")
    return {
        stem: fddb.stored_factor(SIZE / max(shape[:2])) for stem, shape in zip(pictures, sizes, strict=True)
    }


def find_faces(results: Path, factors: Mapping[str, float], model: Facts) -> dict[str, np.ndarray]:
    """Return the faces by stem from a complete result directory."""
    opened = open_results(results, factors, [tensor.image_shape for tensor in model.outputs])
    stems = cli.progress(factors, len(factors), "postprocess")
    faces = {}
    for stem in stems:
        loc, conf = opened.read(stem)
        faces[stem] = detect(loc, conf, factors[stem])
    return faces


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
    model = read_facts(HERE)
    folds = fddb.read_folds(options.data)
    start = time.perf_counter()
    seconds: dict[str, float] = {}
    detections = options.detections
    if detections is None:
        stems = [picture.stem for fold in folds for picture in fold]
        if options.prep:
            factors = fddb.read_prep(options.prep / "FDDB.txt")
            if absent := sorted(set(stems) - set(factors)):
                raise GuideError(
                    f"{options.prep / 'FDDB.txt'}: lacks {cli.shorten(absent)} ({len(absent)} in all) of the data "
                    "set; run preprocess.py on it again."
                )
        else:
            factors = picture_factors(options.data, folds, options.workers)
        detections = options.out / "FDDB_dets.txt"
        fddb.write_detections(detections, find_faces(options.results, factors, model))
        print(f"{detections}: the faces of {len(factors)} pictures")
        seconds["postprocess"] = time.perf_counter() - start
    backend, precision = origin_of(options.results) if options.results else (None, None)
    verdict = score(
        folds,
        detections,
        options.out,
        model,
        backend=backend,
        precision=precision,
        seconds=seconds,
    )
    return 1 if verdict == "FAIL" else 0


if __name__ == "__main__":
    raise SystemExit(main())
