"""A tiny network as a model directory of its own, and what it computes: a convolution and a linear layer, by numpy.

Its reference shares no code with any of the ways that it is run on. Nothing here needs torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
ONNX = "tiny.onnx"
INPUT, OUTPUTS = "image", ("maps", "scores")
SIDE, CHANNELS, MAPS, SCORES = 8, 3, 8, 4
_MODEL = f"""\
name = "tiny"
title = "A tiny network"
onnx = "{ONNX}"
opset = 11

[checkpoint]
file = "tiny.pth"
licence = "none"
urls = []

[[inputs]]
name = "{INPUT}"
shape = ["N", {CHANNELS}, {SIDE}, {SIDE}]
dtype = "float32"
holds = "random numbers"
range = [-1, 1]

[[outputs]]
name = "maps"
shape = ["N", {MAPS}, {SIDE}, {SIDE}]
dtype = "float32"
holds = "a convolution, what is negative as 0"
tolerance = 1e-4

[[outputs]]
name = "scores"
shape = ["N", {SCORES}]
dtype = "float32"
holds = "a linear layer of the maps' means"
tolerance = 1e-4

[accuracy]
dataset = "none"
images = 1
published = {{}}
published_by = "nobody"
npu = {{}}
accepted_drop = 0.01

[atc]
output = "tiny_bs{{batch_size}}"
input_format = "NCHW"
log = "error"

[throughput.cards]
none = {{ 1 = 1 }}
"""


def weights() -> dict[str, Array]:
    """Return the weights by name: 8x3x3x3 and 8 of the convolution, 4x8 and 4 of the linear layer."""
    generator = np.random.default_rng(14)

    def draw(*shape: int, scale: float) -> Array:
        return (scale * generator.standard_normal(shape)).astype(np.float32)

    return {
        "kernel": draw(MAPS, CHANNELS, 3, 3, scale=0.4),
        "bias": draw(MAPS, scale=0.2),
        "matrix": draw(SCORES, MAPS, scale=0.7),
        "shift": draw(SCORES, scale=0.2),
    }


def images(count: int) -> Array:
    """Return distinct inputs, Nx3x8x8 between -1 and 1."""
    return np.random.default_rng(3).uniform(-1, 1, (count, CHANNELS, SIDE, SIDE)).astype(np.float32)


def expected(batch: Array) -> list[NDArray[np.float64]]:
    """Return what the network computes, in double precision: maps Nx8x8x8 and scores Nx4."""
    given = {name: values.astype(np.float64) for name, values in weights().items()}
    padded = np.pad(batch.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))  # N, 3, 8, 8, 3, 3
    maps = np.einsum("nchwij,mcij->nmhw", windows, given["kernel"]) + given["bias"][:, None, None]
    maps = np.maximum(maps, 0)
    return [maps, maps.mean((2, 3)) @ given["matrix"].T + given["shift"]]


def write(folder: Path) -> None:
    """Write model.toml and the ONNX file, whose batch is dynamic, to a directory."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def value(name: str, *shape: int) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])

    nodes = [
        helper.make_node("Conv", [INPUT, "kernel", "bias"], ["convolved"], name="Conv_0", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["convolved"], ["maps"], name="Relu_1"),
        helper.make_node("GlobalAveragePool", ["maps"], ["means"], name="GlobalAveragePool_2"),
        helper.make_node("Flatten", ["means"], ["flat"], name="Flatten_3", axis=1),
        helper.make_node("Gemm", ["flat", "matrix", "shift"], ["scores"], name="Gemm_4", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [value(INPUT, CHANNELS, SIDE, SIDE)],
        [value("maps", MAPS, SIDE, SIDE), value("scores", SCORES)],
        [numpy_helper.from_array(values, name) for name, values in weights().items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
    onnx.checker.check_model(model)
    onnx.save(model, folder / ONNX)
    (folder / "model.toml").write_text(_MODEL, encoding="utf-8")
