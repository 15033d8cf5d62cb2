"""The same batch through a network again and again: "pure inference", without reading, stacking and writing."""

from __future__ import annotations

import time

from common import cli
from common.backends.base import Backend, fixed_batch, random_feeds
from common.errors import GuideError


def check_batch_size(deployed: Backend, asked: int | None) -> int:
    """Return the batch size to measure with: the model's own, else what was asked for, else 1.

    Another one than a fixed one is refused: its batches would be padded, and the padding measured.
    """
    if not deployed.inputs:
        raise GuideError("the model takes no input; there is no batch to measure it with.")
    fixed = fixed_batch(deployed)
    if fixed and asked and asked != fixed:
        raise GuideError(
            f"the model was built for batches of {fixed}; it takes no --batch-size {asked} here."
        )
    return fixed or asked or 1


def repeat(deployed: Backend, batch_size: int, count: int) -> tuple[float, list[float]]:
    """Run a random batch once, to warm up, and then `count` times; return the seconds of the first call, and of the others."""
    feeds = random_feeds(deployed.inputs, batch_size)

    def timed() -> float:
        start = time.perf_counter()
        deployed.run(feeds)
        return time.perf_counter() - start

    first = timed()
    return first, [timed() for _ in cli.progress(range(count), count, "infer", "call")]
