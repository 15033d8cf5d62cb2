"""Compare aligned faces with each other: whose are the same person's, as a picture of the matrix and as JSON.

python predict.py a.jpg b.jpg c.png --model model/model_ir_se100_sim.onnx --out output

Or look for one of them in what embed.py has stored: the nearest as a picture strip and as JSON.

python predict.py a.jpg --gallery faces.npy --model model/model_ir_se100_sim.onnx --out output
"""

from __future__ import annotations

import install_hint

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from common import cli, retrieval
from common.backends.base import choose_batch_size, models_of
from common.backends.deployed import add_backend, chosen_runtime, open_deployed
from common.engine.stream import run
from common.errors import about
from common.facts import Facts, read_facts
from common.files import write_json
from common.images.read import write_image
from common.prediction import made_by
from common.threads import cores
from common.timing import Stopwatch
from lresnet_lfw.embedding import EMBEDDING
from lresnet_lfw.lfw import Face, both
from lresnet_lfw.postprocessing import add_flipped_by_name
from lresnet_lfw.preprocessing import SIZE, network_input
from lresnet_lfw.task import TASK

HERE = Path(__file__).resolve().parent
GREEN, RED, BLACK = (170, 220, 170), (190, 190, 240), (0, 0, 0)


def all_distances(embeddings: np.ndarray) -> np.ndarray:
    """Return the squared distances, 0..4, of all embeddings, Nx512, to each other: NxN float32."""
    return np.square(embeddings[:, None] - embeddings[None]).sum(axis=2)


def draw(pictures: Sequence[np.ndarray], distances: np.ndarray, threshold: float) -> np.ndarray:
    """Return the matrix as a picture, BGR: faces along the edges, in each cell the distance, green for the same."""
    side = SIZE + 8
    canvas = np.full((side * (len(pictures) + 1), side * (len(pictures) + 1), 3), 255, np.uint8)
    for i, picture in enumerate(pictures, 1):
        for top, left in ((i * side, 0), (0, i * side)):
            canvas[top + 4 : top + 4 + SIZE, left + 4 : left + 4 + SIZE] = picture
    for (row, column), distance in np.ndenumerate(distances):
        top, left = (row + 1) * side, (column + 1) * side
        colour = GREEN if distance < threshold else RED
        canvas[top + 1 : top + side - 1, left + 1 : left + side - 1] = colour
        for text, size, bottom in (
            (f"{distance:.3f}", 0.8, side // 2),
            ("same" if distance < threshold else "different", 0.45, side // 2 + 30),
        ):
            (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
            place = (left + (side - width) // 2, top + bottom)
            cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, BLACK, 1, cv2.LINE_AA)
    return canvas


def search(image: Path, options: argparse.Namespace, facts: Facts) -> None:
    """Show the nearest faces of `options.gallery`."""
    aligned(image)  # a mistyped name is told before the network is opened
    found = retrieval.search_stored(EMBEDDING, image, options, facts, HERE, cores())
    retrieval.show(image, found, options, aligned)


def aligned(path: Path) -> np.ndarray:
    """Return one's own face, 112x112x3 uint8 BGR; another size is an error."""
    face = Face(path, own=True)
    picture = face.read()
    with about(face):
        network_input(picture)
    return picture


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts = read_facts(HERE)
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGE",
        help="An aligned face of 112x112 pixels: JPEG, PNG or BMP.",
    )
    add(
        "--gallery",
        type=Path,
        metavar="FILE",
        help="The features to look for the one face in, NAME.npy or NAME.parquet, that embed.py made with the same model.",
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
        help="The directory for similarity.png and similarity.json; with --gallery, for <face>_matches.jpg and "
        "<face>_matches.json (default: %(default)s).",
    )
    add(
        "--threshold",
        type=cli.number(0, 4),
        default=facts.accuracy.npu["best threshold"],
        metavar="D",
        help="Faces are the same person's if their squared distance, 0 to 4, is below this (default: %(default).3f, "
        "the best one on LFW).",
    )
    add_backend(arguments)
    options = arguments.parse_args(argv)
    if options.gallery:
        if len(options.images) > 1:
            arguments.error("expected one picture to look for with --gallery")
        if not retrieval.is_stored(options.gallery):
            arguments.error(
                f"--gallery: expected a file that embed.py made, .npy or .parquet, got {options.gallery}"
            )
        search(options.images[0], options, facts)
        return 0
    if len(options.images) < 2:
        arguments.error("expected at least two pictures to compare")
    faces = {str(i): Face(path, own=True) for i, path in enumerate(options.images)}
    pictures = [face.read() for face in faces.values()]
    inputs = dict(both(faces))
    runtime = chosen_runtime(options)
    with open_deployed(options.model, runtime, facts, HERE, at_once=len(inputs)) as deployed:
        size = choose_batch_size(deployed, None)
        features = dict(run(TASK, models_of(deployed), inputs, batch_size=size, workers=1, watch=Stopwatch()))
    distances = all_distances(add_flipped_by_name(features, faces))
    picture = options.out / "similarity.png"
    write_image(picture, draw(pictures, distances, options.threshold))
    pairs = []
    for i, j in itertools.combinations(range(len(faces)), 2):
        first, second = options.images[i], options.images[j]
        distance = float(distances[i, j])
        pairs.append(
            {
                "images": [str(first), str(second)],
                "squared distance": round(distance, 6),
                "cosine similarity": round(1 - distance / 2, 6),
                "same person": distance < options.threshold,
            }
        )
        said = "the same person" if distance < options.threshold else "different people"
        print(f"{first} and {second}: squared distance {distance:.3f}, {said}")
    write_json(
        picture.with_suffix(".json"), {**made_by(deployed), "threshold": options.threshold, "pairs": pairs}
    )
    print(
        f"{picture}: all {cli.counted(len(pairs), 'pair')}, said to be the same below {options.threshold:g}; with "
        f"{deployed.name}, {deployed.precision}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
