"""What is done with one face before and after the network, on every route."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from common.engine.task import Inputs, Outputs, Task
from common.errors import about
from lresnet_lfw.lfw import Face
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


TASK = Task(prepare, finish)
