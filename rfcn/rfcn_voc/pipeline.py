"""The whole way from picture files to detections, streamed: no file is written in between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.backends.base import Backend
from common.engine.stream import run_model
from common.facts import Tensor
from rfcn_voc.postprocessing import detect
from rfcn_voc.preprocessing import Letterbox, network_input, placement, read_rgb
from rfcn_voc.voc import Picture, picture_size

Array = NDArray[Any]
# The second input of the published form; the guide's, which model.toml describes, has none.
IM_INFO = Tensor("im_info", (1, 3), "float32", "height and width of the picture on the canvas, and its scale")

MOST_WORKERS = 4  # two inputs of 22 MB wait for each, and no network here is faster than four threads


def prepare(path: Path) -> tuple[Array, Letterbox]:
    """Read a picture and return the network's input, 3x1344x1344 float32 BGR, and how the picture lies on it."""
    image = read_rgb(path)
    return network_input(image), placement(image.width, image.height)


def placements(pictures: Mapping[str, Picture]) -> dict[str, Letterbox]:
    """Return how each picture lies on the canvas, from the size in its file's header."""
    return {stem: placement(*picture_size(picture.path)) for stem, picture in pictures.items()}


def further_inputs(model: Backend, placed: Letterbox) -> tuple[Array, ...]:
    """Return what the model wants beside the picture, without the batch: im_info in the published form."""
    return (placed.im_info,) if len(model.inputs) > 1 else ()


def find_objects(
    model: Backend, pictures: Mapping[str, Path], batch_size: int, workers: int
) -> tuple[dict[str, Array], dict[str, float]]:
    """Detect the objects in picture files: detections by stem, see `postprocessing.detect`, and the seconds spent."""
    objects = {}
    seconds = {"preprocess": 0.0, "infer": 0.0, "postprocess": 0.0}
    run = run_model(
        model,
        pictures,
        prepare,
        lambda placed: further_inputs(model, placed),
        batch_size=batch_size,
        workers=min(workers, MOST_WORKERS),
        seconds=seconds,
    )
    for stem, placed, outputs in run:
        start = time.perf_counter()
        objects[stem] = detect(outputs, placed)
        seconds["postprocess"] += time.perf_counter() - start
    return objects, seconds
