"""Find the objects in your own pictures: boxes, names and scores drawn on copies, and as JSON.

python predict.py street.jpg --model model/d0_modify.onnx --out output
"""

from __future__ import annotations

import colorsys
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
from common.images.read import write_image
from efficientdet_coco.categories import NAMES
from efficientdet_coco.postprocessing import detect
from efficientdet_coco.preprocessing import letterbox, network_input, read_rgb

HERE = Path(__file__).resolve().parent


def name_of(category: int) -> str:
    """Return the name of a category; the network has ten numbers that COCO never used."""
    return NAMES.get(category, f"unused category {category}")


def colour_of(category: int) -> tuple[int, int, int]:
    """Return a bright colour, BGR, a different one for each category."""
    red, green, blue = colorsys.hsv_to_rgb(category * 0.381966 % 1, 0.65, 1)
    return round(255 * blue), round(255 * green), round(255 * red)


def draw(image: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """Return a copy of a picture, HxWx3 uint8 BGR, with boxes, names and scores, Nx6, drawn on it, the best on top."""
    drawn = image.copy()
    side = max(image.shape[:2])
    thickness, size = max(1, round(side / 400)), max(0.4, side / 1000)
    for xmin, ymin, xmax, ymax, score, category in objects[::-1].tolist():
        colour = colour_of(int(category))
        left, top, right, bottom = (round(value) for value in (xmin, ymin, xmax, ymax))
        cv2.rectangle(drawn, (left, top), (right, bottom), colour, thickness)
        label = f"{name_of(int(category))} {score:.2f}"
        (width, height), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
        left = min(left, max(image.shape[1] - width, 0))
        # Above the box, or inside it where there is no room above.
        base = top - thickness if top >= height + 3 * thickness else top + height + 3 * thickness
        cv2.rectangle(
            drawn, (left, base - height - 2 * thickness), (left + width, base + thickness), colour, cv2.FILLED
        )
        cv2.putText(
            drawn, label, (left, base - thickness), cv2.FONT_HERSHEY_SIMPLEX, size, (0, 0, 0), thickness
        )
    return drawn


def as_json(image: Path, shape: tuple[int, ...], objects: np.ndarray) -> dict[str, Any]:
    """Return one picture's objects: boxes in pixels (xmin, ymin, xmax, ymax), COCO categories, scores 0..1."""
    rows = [
        {
            "box": [round(value, 3) for value in row[:4]],
            "score": round(row[4], 6),
            "category": int(row[5]),
            "name": name_of(int(row[5])),
        }
        for row in objects.tolist()
    ]
    return {"image": str(image), "width": shape[1], "height": shape[0], "objects": rows}


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add("images", nargs="+", type=Path, metavar="IMAGE", help="A picture: JPEG, PNG or BMP.")
    add("--model", type=Path, required=True, metavar="F", help="The ONNX file made by modify_onnx.py.")
    add(
        "--out",
        type=Path,
        default=Path("output"),
        metavar="DIR",
        help="The directory for <name>_objects.jpg and <name>_objects.json (default: %(default)s).",
    )
    add(
        "--score",
        type=float,
        default=0.3,
        metavar="P",
        help="Leave out objects whose score, 0 to 1, is below this (default: %(default)s).",
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
        image = read_rgb(path)
        with about(path):
            canvas, placed = letterbox(image)
            start = time.perf_counter()
            maps = run_batch(deployed, network_input(canvas)[None])
        spent = time.perf_counter() - start
        objects = detect([output[0] for output in maps], placed)
        objects = objects[objects[:, 4] >= options.score]
        picture = options.out / f"{path.stem}_objects.jpg"
        pixels = np.asarray(image)[..., ::-1]
        write_image(picture, draw(pixels, objects))
        write_json(picture.with_suffix(".json"), as_json(path, pixels.shape, objects))
        print(f"{picture}: {len(objects)} objects in {path} ({1000 * spent:.0f} ms)")
    deployed.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
