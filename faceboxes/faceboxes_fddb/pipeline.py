"""The whole way from picture files to faces, streamed: no file is written in between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common import cli
from common.backend import Backend, run_batch
from common.errors import about
from common.images import read_image
from common.parallel import batches, map_threads
from faceboxes_fddb.fddb import stored_factor
from faceboxes_fddb.postprocessing import detect
from faceboxes_fddb.preprocessing import letterbox

Array = NDArray[Any]


@dataclass
class Found:
    """Faces by stem (see `postprocessing.detect`) and the seconds spent; preparing overlaps with the rest."""

    faces: dict[str, Array] = field(default_factory=dict)
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("preprocess", "infer", "postprocess"), 0.0)
    )


def prepare(path: Path) -> tuple[Array, float]:
    """Read a picture and return the network's input, 1024x1024x3 uint8 BGR, and the factor it was scaled by."""
    image = read_image(path)
    with about(path):
        return letterbox(image)


def find_faces(model: Backend, pictures: Mapping[str, Path], batch_size: int, workers: int) -> Found:
    """Detect the faces in picture files, by stem.

    The resize factor is rounded as FDDB.txt stores it, see `fddb.stored_factor`.
    """
    found = Found()

    def load(item: tuple[str, Path]) -> tuple[str, Array, float, float]:
        start = time.perf_counter()
        canvas, factor = prepare(item[1])
        return item[0], canvas, stored_factor(factor), time.perf_counter() - start

    loaded = map_threads(load, pictures.items(), workers)
    for batch in batches(cli.progress(loaded, len(pictures), "evaluate"), batch_size):
        _run(model, batch, found)
    return found


def _run(model: Backend, batch: list[tuple[str, Array, float, float]], found: Found) -> None:
    start = time.perf_counter()
    with about(cli.shorten(stem for stem, _, _, _ in batch)):
        loc, conf = run_batch(model, np.stack([canvas for _, canvas, _, _ in batch]))
    inferred = time.perf_counter()
    for row, (stem, _, factor, spent) in enumerate(batch):
        found.faces[stem] = detect(loc[row], conf[row], factor)
        found.seconds["preprocess"] += spent
    found.seconds["infer"] += inferred - start
    found.seconds["postprocess"] += time.perf_counter() - inferred
