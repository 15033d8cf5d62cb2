"""The whole way from picture files to detections, streamed: no file is written in between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.backends.base import Backend
from common.engine.stream import run_model
from common.errors import about
from efficientdet_coco.postprocessing import detect
from efficientdet_coco.preprocessing import Letterbox, letterbox, network_input, read_rgb

Array = NDArray[Any]


def prepare(path: Path) -> tuple[Array, Letterbox]:
    """Read a picture and return the network's input, 3x512x512 float32 RGB, and how the picture lies on it."""
    image = read_rgb(path)
    with about(path):
        canvas, placed = letterbox(image)
    return network_input(canvas), placed


def find_objects(
    model: Backend, pictures: Mapping[str, Path], batch_size: int, workers: int
) -> tuple[dict[str, Array], dict[str, float]]:
    """Detect the objects in picture files: detections by stem, see `postprocessing.detect`, and the seconds spent."""
    objects = {}
    seconds = {"preprocess": 0.0, "infer": 0.0, "postprocess": 0.0}
    run = run_model(model, pictures, prepare, batch_size=batch_size, workers=workers, seconds=seconds)
    for stem, placed, maps in run:
        start = time.perf_counter()
        objects[stem] = detect(maps, placed)
        seconds["postprocess"] += time.perf_counter() - start
    return objects, seconds
