"""Look for a person in a directory of pictures, or in what embed.py has stored: the nearest as a picture strip and as JSON.

python predict.py someone.jpg --gallery people --model PCB.onnx --out output
python predict.py someone.jpg --gallery people.npy --model PCB.onnx --out output
"""

from __future__ import annotations

import install_hint

import argparse
import math
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from common import cli, retrieval
from common.backends.base import choose_batch_size, models_of
from common.backends.deployed import add_backend, chosen_runtime, open_deployed
from common.engine.stream import run
from common.facts import Facts, read_facts
from common.images.read import SUFFIXES
from common.npu_files.input_list import list_files
from common.retrieval import Found, Match
from common.timing import Stopwatch
from pcb_market.embedding import EMBEDDING
from pcb_market.postprocessing import matrix, squared_distances, squared_lengths
from pcb_market.preprocessing import read_person
from pcb_market.task import ANY_PICTURE

HERE = Path(__file__).resolve().parent


def search_folder(options: argparse.Namespace, facts: Facts) -> Found:
    """Return the nearest pictures of the directory `options.gallery`."""
    gallery = list_files(options.gallery, SUFFIXES)
    pictures = {str(path): path for path in (options.query, *gallery)}
    runtime, size = chosen_runtime(options), options.batch_size or 1
    at_once = math.ceil(len(pictures) / size)
    with open_deployed(options.model, runtime, facts, HERE, batch_size=size, at_once=at_once) as deployed:
        size = choose_batch_size(deployed, options.batch_size)
        results = run(
            ANY_PICTURE,
            models_of(deployed),
            pictures,
            batch_size=size,
            workers=options.workers,
            watch=Stopwatch(),
        )
        with closing(results):
            features = matrix(cli.progress(results, len(pictures), "predict"), len(pictures))
    paths = list(pictures.values())
    distances = squared_distances(features[:1], features, squared_lengths(features))[0]
    wanted = set(gallery)
    order = [i for i in np.argsort(distances, kind="stable").tolist() if paths[i] in wanted]
    matches = [Match(paths[i], float(distances[i])) for i in order[: options.top]]
    return Found(matches, len(gallery), deployed)


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "query",
        type=Path,
        metavar="QUERY",
        help="The picture of the person to look for, JPEG, PNG or BMP, cropped to the person; EXIF rotation is applied "
        "here and in the gallery.",
    )
    add(
        "--gallery",
        type=Path,
        required=True,
        metavar="DIR",
        help="The directory of pictures to look in, or the file of features, NAME.npy or NAME.parquet, that embed.py made "
        "with the same model.",
    )
    retrieval.add_top(arguments)
    add(
        "--model",
        type=Path,
        required=True,
        metavar="F",
        help="The ONNX file made by pth2onnx.py, or the OM file made of it.",
    )
    add(
        "--out",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="The directory for <query>_matches.jpg and <query>_matches.json (default: %(default)s).",
    )
    add_backend(arguments)
    cli.add_batch_size(arguments)
    cli.add_workers(arguments)
    options = arguments.parse_args(argv)
    facts = read_facts(HERE)
    read_person(options.query)  # a mistyped name is told before the network is opened
    if retrieval.is_stored(options.gallery):
        found = retrieval.search_stored(EMBEDDING, options.query, options, facts, HERE, options.workers)
    else:
        found = search_folder(options, facts)
    retrieval.show(options.query, found, options, lambda path: read_person(path)[..., ::-1])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
