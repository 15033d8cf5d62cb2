"""Find the faces in your own pictures: boxes and scores drawn on copies, and as JSON.

python predict.py family.jpg team.png --model faceboxes-b0.onnx --out output
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common import cli
from common.backends.base import run_batch
from common.backends.deployed import BACKENDS, open_deployed
from common.errors import GuideError, about
from common.facts import read_facts
from common.files import write_json
from common.images.read import read_image, write_image
from faceboxes_fddb.postprocessing import detect
from faceboxes_fddb.preprocessing import letterbox

HERE = Path(__file__).resolve().parent


def draw(image: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return a copy of a picture, HxWx3 uint8 BGR, with boxes and scores, Nx5, drawn on it."""
    drawn = image.copy()
    side = max(image.shape[:2])
    thickness = max(1, round(side / 400))
    size = max(0.4, side / 1000)
    for xmin, ymin, xmax, ymax, score in faces.tolist():
        box = [round(value) for value in (xmin, ymin, xmax, ymax)]
        cv2.rectangle(drawn, box[:2], box[2:], (0, 255, 0), thickness)
        label = f"{score:.2f}"
        (width, height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
        # Above the box, or inside it where there is no room above.
        bottom = (
            box[1] - thickness
            if box[1] - height - 3 * thickness >= 0
            else max(box[1], 0) + height + 3 * thickness
        )
        left = min(max(box[0], 0), max(image.shape[1] - width, 0))
        top = bottom - height - 2 * thickness
        cv2.rectangle(drawn, (left, top), (left + width, bottom + thickness), (0, 255, 0), cv2.FILLED)
        cv2.putText(
            drawn, label, (left, bottom - thickness), cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), thickness
        )
    return drawn


def as_json(image: Path, shape: tuple[int, ...], faces: np.ndarray) -> dict[str, Any]:
    """Return one picture's faces: boxes in pixels (xmin, ymin, xmax, ymax), not clipped, and scores 0..1."""
    rows = [{"box": [round(v, 3) for v in face[:4]], "score": round(face[4], 6)} for face in faces.tolist()]
    return {"image": str(image), "width": shape[1], "height": shape[0], "faces": rows}


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE", help="A picture: JPEG, PNG or BMP.")
    add("--model", type=Path, required=True, metavar="F", help="The ONNX file made by pth2onnx.py.")
    add(
        "--out",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="The directory for <name>_faces.jpg and <name>_faces.json (default: %(default)s).",
    )
    add(
        "--score",
        type=float,
        default=0.5,
        metavar="P",
        help="Leave out faces whose score, 0 to 1, is below this (default: %(default)s; the network gives 0.05 "
        "and above).",
    )
    add("--backend", choices=BACKENDS, help="What runs the model (default: onnxruntime).")
    options = arguments.parse_args(argv)
    twice = [stem for stem, count in Counter(path.stem for path in options.images).items() if count > 1]
    if twice:
        raise GuideError(
            f"results are named after the pictures, but these names occur twice: {cli.shorten(twice)}."
        )
    deployed = open_deployed(options.model, options.backend, read_facts(HERE), HERE)
    for path in options.images:
        image = read_image(path)
        with about(path):
            canvas, factor = letterbox(image)
        start = time.perf_counter()
        with about(path):
            loc, conf = run_batch(deployed, canvas[None])
        spent = time.perf_counter() - start
        faces = detect(loc[0], conf[0], factor)
        faces = faces[faces[:, 4] >= options.score]
        picture = options.out / f"{path.stem}_faces.jpg"
        write_image(picture, draw(image, faces))
        write_json(picture.with_suffix(".json"), as_json(path, image.shape, faces))
        print(f"{picture}: {len(faces)} faces in {path} ({1000 * spent:.0f} ms)")
    deployed.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
