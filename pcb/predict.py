"""Look for a person in a directory of pictures: the ten nearest as a picture strip and as JSON.

python predict.py someone.jpg --gallery people --model PCB.onnx --out output
"""

from __future__ import annotations

import install_hint

import math
import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from common import cli
from common.backends.base import choose_batch_size, models_of
from common.backends.deployed import add_backend, chosen_runtime, open_deployed
from common.engine.stream import run
from common.facts import read_facts
from common.files import write_json
from common.images.read import SUFFIXES, write_image
from common.npu_files.input_list import list_files
from common.prediction import made_by
from common.timing import Stopwatch
from pcb_market.postprocessing import matrix, squared_distances, squared_lengths
from pcb_market.preprocessing import HEIGHT, WIDTH, read_person
from pcb_market.task import ANY_PICTURE

HERE = Path(__file__).resolve().parent
BEST = 10


def draw(query: np.ndarray, matches: Sequence[tuple[np.ndarray, str]]) -> np.ndarray:
    """Return a strip, BGR: the query, a gap, then the matches from the nearest on, each with its label below.

    All pictures are 384x128x3 uint8, RGB.
    """
    margin, text = 10, 30
    width = (WIDTH + margin) * (len(matches) + 1) + 3 * margin
    strip = np.full((HEIGHT + text + 2 * margin, width, 3), 255, np.uint8)
    left = margin
    for picture, label in [(query, "query"), *matches]:
        strip[margin : margin + HEIGHT, left : left + WIDTH] = picture[..., ::-1]
        (size, _), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
        place = (left + (WIDTH - size) // 2, margin + HEIGHT + 22)
        cv2.putText(strip, label, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        left += WIDTH + (margin if label != "query" else 3 * margin)
    return strip


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
    add("--gallery", type=Path, required=True, metavar="DIR", help="The directory of pictures to look in.")
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
    person = read_person(options.query)
    gallery = list_files(options.gallery, SUFFIXES)
    pictures = {str(path): path for path in (options.query, *gallery)}
    runtime, size = chosen_runtime(options), options.batch_size or 1
    at_once = math.ceil(len(pictures) / size)
    with open_deployed(
        options.model, runtime, read_facts(HERE), HERE, batch_size=size, at_once=at_once
    ) as deployed:
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
    order = [i for i in np.argsort(distances, kind="stable").tolist() if paths[i] in wanted][:BEST]

    matches = [(paths[i], float(distances[i])) for i in order]
    labels = [f"{rank}: {distance:.3f}" for rank, (_, distance) in enumerate(matches, 1)]
    strip = options.out / f"{options.query.stem}_matches.jpg"
    found = zip((read_person(path) for path, _ in matches), labels, strict=True)
    write_image(strip, draw(person, list(found)))
    rows = [{"image": str(path), "squared distance": round(distance, 6)} for path, distance in matches]
    write_json(
        strip.with_suffix(".json"),
        {
            "query": str(options.query),
            "gallery": str(options.gallery),
            "images": len(gallery),
            **made_by(deployed),
            "matches": rows,
        },
    )
    for label, (path, _) in zip(labels, matches, strict=True):
        print(f"{label}  {os.fspath(path)}")
    print(
        f"{strip}: the {len(matches)} nearest of {cli.counted(len(gallery), 'picture')}, with {deployed.name}, "
        f"{deployed.precision}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
