"""What is done with one picture before and after the network, on every route."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import progress
from common.compare.boxes import same_boxes
from common.engine.task import Inputs, Outputs, Source, Task, file_of
from common.facts import Tensor
from common.images.header import picture_size
from common.images.rgb import read_rgb
from rfcn_voc.postprocessing import detect
from rfcn_voc.preprocessing import Letterbox, network_input, placement
from rfcn_voc.regions import REGIONS, compare_regions
from rfcn_voc.voc import Picture, read_voc

Array = NDArray[Any]
# The second input of the original form; the guide's, which model.toml describes, has none.
IM_INFO = Tensor("im_info", (1, 3), "float32", "height and width of the picture on the canvas, and its scale")


def prepare_picture(path: Path, *, own: bool = True) -> tuple[Inputs, Letterbox]:
    """Read a picture, by default one's `own`, see `read_rgb`: `im_data` 3x1344x1344 float32 BGR, `im_info` 3 float32.

    Also return how it lies on the canvas.
    """
    image = read_rgb(path, own=own, order="BGR")
    placed = placement(image.shape[1], image.shape[0])
    return {"im_data": network_input(image), IM_INFO.name: placed.im_info}, placed


def prepare(picture: Picture) -> tuple[Inputs, Letterbox]:
    """Read a picture of VOC2007, see `prepare_picture`."""
    return prepare_picture(picture.path, own=False)


def finish(outputs: Outputs, placed: Letterbox) -> Array:
    """Return the objects, Nx6 float32, see `postprocessing.detect`."""
    return detect(outputs, placed)


def sources(data: Path) -> dict[str, Picture]:
    """Return what `prepare` takes, of a whole data set."""
    return read_voc(data).pictures


def placements(sources: Mapping[str, Source], *, own: bool = False) -> dict[str, Letterbox]:
    """Return how each picture lies on the canvas, from the size in its file's header: what `finish` needs."""
    listed = progress(sources.items(), len(sources), "sizes")
    return {key: placement(*picture_size(file_of(source), upright=own)) for key, source in listed}


def differences(found: Outputs, wanted: Outputs) -> Array:
    """Return the largest difference of each output from another network's, in equal regions, see `compare_regions`.

    It is infinite where too few regions are equal.
    """
    largest, share = compare_regions(found, wanted)
    return largest if share >= REGIONS else np.full(len(largest), np.inf)


TASK = Task(prepare, finish)
ANY_PICTURE = Task(prepare_picture, finish)
SCORE = 0.5  # what scores less is drawn only where it is asked for
SAME_OBJECTS = partial(same_boxes, pixels=0.5, score=1e-3)
