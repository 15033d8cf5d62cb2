"""A stand-in for an opened model, where a test is not about what the network computes."""

from __future__ import annotations

import numpy as np

from common.graph.outline import Value

# Canvas pixels; nothing moves from there.
REGION = (0, 102.4, 51.2, 409.6, 460.8)
SHAPES = {"rois": (1, 300, 5), "cls_prob": (1, 300, 21), "bbox_pred": (1, 300, 84)}


class FakeModel:
    """One region of every picture is a dog at 0.9 and a cat at 0.25, the others are background.

    `fed` keeps what was given beside the pictures, call by call.
    """

    name, precision, identity = "fake", "float32", "fake"

    def __init__(self, *, original: bool = False) -> None:
        self.inputs = (Value("im_data", "float32", (1, 3, 1344, 1344)),)
        if original:
            self.inputs += (Value("im_info", "float32", (1, 3)),)
        self.outputs = tuple(Value(name, "float32", shape) for name, shape in SHAPES.items())
        self.fed: list[dict[str, np.ndarray]] = []
        self.closed = False

    def run(self, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.fed.append({name: values for name, values in feeds.items() if name != "im_data"})
        assert feeds["im_data"].shape == (1, 3, 1344, 1344)
        return made_outputs(float(feeds["im_data"].mean()))

    def __enter__(self):
        return self

    def __exit__(self, *exc: object) -> None:
        self.closed = True


def made_outputs(mean: float) -> list[np.ndarray]:
    """Return one dog and something less certain, and in the last region, as background, what follows the picture."""
    rois, probabilities, moves = (np.zeros(shape, np.float32) for shape in SHAPES.values())
    rois[0, 0] = REGION
    probabilities[0, 0, 12], probabilities[0, 0, 8] = 0.9, 0.25
    for output in (rois, probabilities, moves):
        output[0, -1, 0] = mean
    return [rois, probabilities, moves]
