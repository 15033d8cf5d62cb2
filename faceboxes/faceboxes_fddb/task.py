"""What is done with one picture before and after the network, on every route."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.compare.boxes import same_boxes
from common.engine.task import Inputs, Outputs, Task
from common.errors import about
from common.images.read import read_image
from faceboxes_fddb import fddb
from faceboxes_fddb.postprocessing import detect
from faceboxes_fddb.prep_file import stored_factor
from faceboxes_fddb.preprocessing import letterbox

Array = NDArray[Any]


def prepare_picture(path: Path, *, own: bool = True) -> tuple[Inputs, float]:
    """Read a picture, by default one's `own`, see `read_image`: 1024x1024x3 uint8 BGR, and the factor it was scaled by."""
    image = read_image(path, own=own)
    with about(path):
        canvas, factor = letterbox(image)
    return {"image": canvas}, factor


def prepare(path: Path) -> tuple[Inputs, float]:
    """Read a picture of FDDB, see `prepare_picture`; the factor has the three decimals of FDDB.txt."""
    inputs, factor = prepare_picture(path, own=False)
    return inputs, stored_factor(factor)


def finish(outputs: Outputs, factor: float) -> Array:
    """Return the faces, Nx5 float32, see `postprocessing.detect`."""
    loc, conf = outputs
    return detect(loc, conf, factor)


def sources(data: Path) -> dict[str, Path]:
    """Return what `prepare` takes, of a whole data set."""
    return fddb.find_pictures(data, (picture for fold in fddb.read_folds(data) for picture in fold))


TASK = Task(prepare, finish)
ANY_PICTURE = Task(prepare_picture, finish)
SCORE = 0.5  # what scores less is drawn only where it is asked for
SAME_FACES = partial(same_boxes, pixels=0.05, score=1e-3)
