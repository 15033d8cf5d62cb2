"""What is done with one picture before and after the network, on every route."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.compare.boxes import same_boxes
from common.engine.task import Inputs, Outputs, Task
from common.errors import GuideError, about
from common.images.rgb import read_rgb
from efficientdet_coco.coco import Picture, read_coco
from efficientdet_coco.postprocessing import detect
from efficientdet_coco.preprocessing import Letterbox, letterbox, network_input

Array = NDArray[Any]


def prepare_picture(path: Path, *, own: bool = True) -> tuple[Inputs, Letterbox]:
    """Read a picture, by default one's `own`, see `read_rgb`: 3x512x512 float32 RGB, normalised as for ImageNet.

    Also return how it lies on the canvas.
    """
    image = read_rgb(path, own=own)
    with about(path):
        scaled, placed = letterbox(image)
    return {"x.1": network_input(scaled)}, placed


def prepare(picture: Picture) -> tuple[Inputs, Letterbox]:
    """Read a picture of COCO, see `prepare_picture`; its size must be the annotated one."""
    inputs, placed = prepare_picture(picture.path, own=False)
    if (placed.width, placed.height) != (picture.width, picture.height):
        raise GuideError(
            f"{picture.path}: has {placed.width}x{placed.height} pixels, {picture.width}x{picture.height} in the "
            "annotations. Is it another picture?"
        )
    return inputs, placed


def finish(outputs: Outputs, placed: Letterbox) -> Array:
    """Return the objects, Nx6 float32, see `postprocessing.detect`."""
    return detect(outputs, placed)


def sources(data: Path) -> dict[str, Picture]:
    """Return what `prepare` takes, of a whole data set."""
    return read_coco(data).pictures


TASK = Task(prepare, finish)
ANY_PICTURE = Task(prepare_picture, finish)
SCORE = 0.3  # what scores less is drawn only where it is asked for
SAME_OBJECTS = partial(same_boxes, pixels=0.5, score=1e-3)
