"""The whole way from picture files to faces, streamed: no file is written in between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.backends.base import Backend
from common.engine.stream import run_model
from common.errors import about
from common.images.read import read_image
from faceboxes_fddb.fddb import stored_factor
from faceboxes_fddb.postprocessing import detect
from faceboxes_fddb.preprocessing import letterbox

Array = NDArray[Any]


def prepare(path: Path) -> tuple[Array, float]:
    """Read a picture and return the network's input, 1024x1024x3 uint8 BGR, and the factor it was scaled by."""
    image = read_image(path)
    with about(path):
        return letterbox(image)


def find_faces(
    model: Backend, pictures: Mapping[str, Path], batch_size: int, workers: int
) -> tuple[dict[str, Array], dict[str, float]]:
    """Detect the faces in picture files: faces by stem, see `postprocessing.detect`, and the seconds spent.

    The resize factor is rounded as FDDB.txt stores it, see `fddb.stored_factor`.
    """
    faces = {}
    seconds = {"preprocess": 0.0, "infer": 0.0, "postprocess": 0.0}
    run = run_model(model, pictures, prepare, batch_size=batch_size, workers=workers, seconds=seconds)
    for stem, factor, (loc, conf) in run:
        start = time.perf_counter()
        faces[stem] = detect(loc, conf, stored_factor(factor))
        seconds["postprocess"] += time.perf_counter() - start
    return faces, seconds
