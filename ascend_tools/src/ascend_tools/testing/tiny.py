"""A tiny model in ONNX, its inputs, and its model.toml."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

MODEL_TOML = """\
name = "tiny"
title = "Tiny"
onnx = "tiny.onnx"
opset = 11

[checkpoint]
file = "tiny.pth"
bytes = 1000
sha256 = "00"
licence = "MIT"
urls = ["https://example.org/tiny.pth"]

[[inputs]]
name = "image"
shape = ["N", 3, 4, 6]
dtype = "float32"
holds = "pictures"

[[outputs]]
name = "scaled"
shape = ["N", 3, 4, 6]
dtype = "float32"
holds = "twice the input, and the bias"
tolerance = 1e-4

[[outputs]]
name = "sums"
shape = ["N", 3]
dtype = "float32"
holds = "the sum of each channel"

[accuracy]
dataset = "NONE"
images = 4
published = { AP = 0.8 }
published_by = "its README"
npu = { AP = 0.79 }
accepted_drop = 0.01

[atc]
output = "tiny_bs{batch_size}"
input_format = "NCHW"
log = "debug"
name_out_nodes = true

[atc.options]
enable_small_channel = 1
insert_op_conf = "aipp.config"

[throughput.cards]
310 = { 1 = 400, 4 = 600 }
310P = { 1 = 700, 4 = 1500 }
T4 = { 1 = 250, 4 = 500 }

[throughput.chips]
310 = { 1 = 100 }

[throughput.batch_ms]
T4 = { 1 = 4 }

[throughput.runs]
T4 = { pictures = 1000, seconds = 4 }

[[throughput.ratios]]
of = "310P"
to = "310"
printed = { 1 = 1.75, 4 = 2.5 }
best = 2.5
accepted = 1.2

[[throughput.ratios]]
of = "310P"
to = "T4"
accepted = 1.6
"""
AIPP_CONFIG = """\
aipp_op {
    aipp_mode : static
    input_format : RGB888_U8  # three bytes per pixel
    mean_chn_0 : 104
    mean_chn_1 : 117
    mean_chn_2 : 123
}
"""


@pytest.fixture
def make_onnx(tmp_path):
    """Write a model: image [batch,3,4,6] -> scaled = 2 * image + bias, sums = image summed per channel."""

    def make(name="tiny.onnx", batch="N", bias=0.0, channels=3):
        def value(title, *shape):
            return helper.make_tensor_value_info(title, TensorProto.FLOAT, [batch, *shape])

        nodes = [
            helper.make_node("ReduceSum", ["image"], ["sums"], name="Sum_7", axes=[2, 3], keepdims=0),
            helper.make_node("Mul", ["image", "two"], ["doubled"], name="Mul_8"),
            helper.make_node("Add", ["doubled", "bias"], ["scaled"], name="Add_9"),
        ]
        weights = [
            numpy_helper.from_array(np.array(number, np.float32), title)
            for title, number in (("two", 2.0), ("bias", bias))
        ]
        graph = helper.make_graph(
            nodes,
            "tiny",
            [value("image", channels, 4, 6)],
            [value("scaled", channels, 4, 6), value("sums", channels)],
            weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
        onnx.save(model, tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def make_inputs(tmp_path):
    """Write `count` images as .bin files of whole numbers, and return them by stem."""

    def make(count, dtype="float32", folder="prep"):
        rng = np.random.default_rng(5)
        shape = (3, 4, 6) if dtype == "float32" else (4, 6, 3)
        images = {f"img_{i:02}": rng.integers(0, 256, shape).astype(dtype) for i in range(count)}
        (tmp_path / folder).mkdir(exist_ok=True)
        for stem, image in images.items():
            image.tofile(tmp_path / folder / f"{stem}.bin")
        return images

    return make


@pytest.fixture
def write_model(tmp_path):
    """Write model.toml and aipp.config, with pieces of model.toml replaced, and return their directory."""

    def write(*replacements):
        text = MODEL_TOML
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / "model.toml").write_text(text, encoding="utf-8")
        (tmp_path / "aipp.config").write_text(AIPP_CONFIG, encoding="utf-8")
        return tmp_path

    return write
