"""The whole way from faces to embeddings, streamed: no file is written in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from common.backends.base import Backend
from common.engine.stream import run_model
from common.errors import about
from lresnet_lfw.lfw import Face, both
from lresnet_lfw.postprocessing import add_flipped
from lresnet_lfw.preprocessing import mirror, network_input

Float32 = NDArray[np.float32]


def prepare(source: tuple[Face, bool]) -> tuple[Float32, None]:
    """Read a face and return the network's input, 3x112x112 float32 BGR, mirrored if the second value says so."""
    face, mirrored = source
    image = face.read()
    with about(face):
        scaled = network_input(image)
    return mirror(scaled) if mirrored else scaled, None


def embed(
    model: Backend, faces: dict[str, Face], batch_size: int, workers: int
) -> tuple[dict[str, Float32], dict[str, float]]:
    """Run the network on faces and their mirror images: features by input name, 512 each, and the seconds spent."""
    seconds: dict[str, float] = {}
    run = run_model(
        model, dict(both(faces)), prepare, batch_size=batch_size, workers=workers, seconds=seconds
    )
    return {name: features for name, _, (features,) in run}, seconds


def fuse_named(features: Mapping[str, Float32], names: Iterable[str]) -> Float32:
    """Return the embeddings, Nx512, of named faces from the features of faces and mirror images by input name."""
    names = list(names)
    plain, mirrored = ([features[name + end] for name in names] for end in ("", "_flip"))
    return add_flipped(np.stack(plain), np.stack(mirrored))
