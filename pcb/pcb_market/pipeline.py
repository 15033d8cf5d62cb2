"""The whole way from picture files to features, streamed: no file is written in between."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from common.backends.base import Backend
from common.engine.stream import run_model
from pcb_market.preprocessing import network_input, read_person

Float32 = NDArray[np.float32]


def prepare(path: Path) -> tuple[Float32, None]:
    """Read a picture and return the network's input, 3x384x128 float32 RGB."""
    return network_input(read_person(path)), None


def embed(
    model: Backend, pictures: Mapping[str, Path], batch_size: int, workers: int, seconds: dict[str, float]
) -> Float32:
    """Run the network on picture files: features, Nx12288, in their order. `seconds` counts up."""
    size = math.prod(int(dim) for dim in model.outputs[0].shape[1:])
    features = np.empty((len(pictures), size), np.float32)
    run = run_model(model, pictures, prepare, batch_size=batch_size, workers=workers, seconds=seconds)
    for row, (_, _, outputs) in zip(features, run, strict=True):
        row[:] = outputs[0].ravel()
    return features
