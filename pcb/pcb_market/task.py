"""What is done with one picture before and after the network, on every route."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.engine.task import Inputs, Outputs, Task
from pcb_market.market import Picture, read_market
from pcb_market.preprocessing import network_input, read_person

Array = NDArray[Any]


def prepare_picture(path: Path, *, own: bool = True) -> tuple[Inputs, None]:
    """Read a picture of a person, by default one's `own`: 3x384x128 float32 RGB, normalised as for ImageNet."""
    return {"input_1": network_input(read_person(path, own=own))}, None


def prepare(picture: Picture) -> tuple[Inputs, None]:
    """Read a picture of Market-1501, see `prepare_picture`."""
    return prepare_picture(picture.path, own=False)


def finish(outputs: Outputs, _context: None) -> Array:
    """Return the features, 12288 float32: the first output, 2048 values for each of six stripes."""
    return outputs[0].ravel()


def sources(data: Path) -> dict[str, Picture]:
    """Return what `prepare` takes, of a whole data set."""
    return read_market(data).pictures


TASK = Task(prepare, finish)
ANY_PICTURE = Task(prepare_picture, finish)
