"""How a face becomes a row of features: its embedding and its mirror image's, added and scaled to length 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.embedding import Embedding
from lresnet_lfw.lfw import Face, both
from lresnet_lfw.postprocessing import add_flipped
from lresnet_lfw.task import TASK

Array = NDArray[Any]


def items(name: str, path: Path) -> Sequence[tuple[str, Face]]:
    """Return one's own face and its mirror image, as the network is given them."""
    return list(both({name: Face(path, own=True)}))


def row(results: Sequence[Array]) -> Array:
    """Return the embedding, 512 float32 of length 1, from the features of both."""
    plain, mirrored = results
    return add_flipped(plain[None], mirrored[None])[0]


EMBEDDING = Embedding(TASK, 512, items, row)
