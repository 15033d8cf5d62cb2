"""How a picture of a person becomes a row of features: the network's, as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from common.embedding import Embedding
from pcb_market.postprocessing import SIZE
from pcb_market.task import ANY_PICTURE

Array = NDArray[Any]


def items(name: str, path: Path) -> Sequence[tuple[str, Path]]:
    """Return one's own picture, as the network is given it."""
    return [(name, path)]


def row(results: Sequence[Array]) -> Array:
    """Return the features, 12288 float32."""
    (features,) = results
    return features


EMBEDDING = Embedding(ANY_PICTURE, SIZE, items, row)
