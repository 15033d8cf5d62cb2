"""From the network's outputs to distances between faces, as the guide's postprocessing script computes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError

Float32 = NDArray[np.float32]
ROWS = 512  # at once, 1 MiB, which stays in the processor's cache; an even number


def add_flipped(features: Float32, mirrored: Float32) -> Float32:
    """Add the embeddings of faces and of their mirror images, both Nx512, and scale each row to length 1."""
    embeddings = np.empty_like(features)
    for start in range(0, len(features), ROWS):
        rows = embeddings[start : start + ROWS]
        with np.errstate(over="ignore"):  # a length beyond float32 becomes infinite, which is refused below
            np.add(features[start : start + ROWS], mirrored[start : start + ROWS], out=rows)
            lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        finite = np.isfinite(lengths)
        if not finite.all():
            raise GuideError(
                f"the embedding of face {start + finite.argmin()} is too long for float32; run the inference again."
            )
        if not lengths.all():
            raise GuideError(
                f"the embedding of face {start + lengths.argmin()} is zero; run the inference again."
            )
        rows /= lengths
    return embeddings


def add_flipped_by_name(features: Mapping[str, Float32], names: Iterable[str]) -> Float32:
    """Return the embeddings, Nx512, of named faces from the features, 512 each, of `<name>` and `<name>_flip`."""
    names = list(names)
    plain, mirrored = (np.stack([features[name + end] for name in names]) for end in ("", "_flip"))
    return add_flipped(plain, mirrored)


def pair_distances(embeddings: Float32) -> Float32:
    """Return the squared distances, 0..4, of rows 0 and 1, 2 and 3, ...: 2Nx512 to N."""
    distances = np.empty(len(embeddings) // 2, np.float32)
    for start in range(0, len(embeddings), ROWS):
        rows = embeddings[start : start + ROWS]
        difference = rows[0::2] - rows[1::2]
        np.square(difference, out=difference)
        difference.sum(axis=1, out=distances[start // 2 : (start + ROWS) // 2])
    return distances
