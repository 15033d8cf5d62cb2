"""What is done with one face before and after the network, on every route."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.engine.task import Inputs, Outputs, Task
from common.errors import about
from lresnet_lfw.lfw import Face, both, read_pairs
from lresnet_lfw.preprocessing import mirror, network_input

Array = NDArray[Any]


def prepare(face: Face) -> tuple[Inputs, None]:
    """Read a face: 3x112x112 float32 BGR, -1..1, mirrored left to right where the source says so."""
    image = face.read()
    with about(face):
        scaled = network_input(image)
    return {"image": mirror(scaled) if face.mirrored else scaled}, None


def finish(outputs: Outputs, _context: None) -> Array:
    """Return the features, 512 float32."""
    (features,) = outputs
    return features


def sources(data: Path) -> dict[str, Face]:
    """Return what `prepare` takes, of a whole data set: its faces and their mirror images."""
    return dict(both(read_pairs(data).faces))


TASK = Task(prepare, finish)
