"""backends/onnxruntime.py: an ONNX file as a network, opened and released."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import helper

from common.backends.base import run_batch
from common.backends.onnxruntime import OnnxRuntime
from common.errors import GuideError
from common.graph.aipp import Aipp
from common.graph.outline import Value


def images(count):
    return np.random.default_rng(count).integers(0, 256, (count, 3, 4, 6)).astype(np.float32)


def test_an_open_model_describes_itself_and_runs(make_onnx):
    with OnnxRuntime(make_onnx(bias=0.5)) as network:
        assert (network.name, network.precision) == ("onnxruntime", "float32")
        assert network.inputs == (Value("image", "float32", ("N", 3, 4, 6)),)
        assert [value.name for value in network.outputs] == ["scaled", "sums"]
        given = images(3)
        scaled, sums = network.run({"image": given})
    np.testing.assert_array_equal(scaled, 2 * given + np.float32(0.5))
    np.testing.assert_array_equal(sums, given.sum((2, 3)))


def test_padding_before_pooling_is_run_as_it_is_written(tmp_path):
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["padded"]),  # with 0
        helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[3, 3], strides=[2, 2]),
    ]
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 1, size, size])
        for name, size in (("x", 4), ("y", 2))
    ]
    pads = helper.make_tensor("pads", onnx.TensorProto.INT64, [8], [0, 0, 0, 0, 0, 0, 1, 1])
    graph = helper.make_graph(nodes, "pool", values[:1], values[1:], [pads])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.save(proto, tmp_path / "pool.onnx")
    with OnnxRuntime(tmp_path / "pool.onnx") as network:
        given = -np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
        assert network.run({"x": given})[0].tolist() == [[[[-1, 0], [0, 0]]]]


def test_a_path_that_is_no_utf8_is_opened(make_onnx):
    path = make_onnx()
    odd = path.rename(path.with_name(os.fsdecode(b"\xff.onnx")))
    with OnnxRuntime(odd) as opened:
        assert opened.inputs[0].name == "image"


def test_a_network_is_told_from_any_other(make_onnx):
    found = []
    for bias, aipp in ((0.0, None), (0.0, Aipp()), (0.0, Aipp(mean=(1, 2, 3))), (1.0, None), (0.0, None)):
        with OnnxRuntime(make_onnx(bias=bias), aipp) as network:
            found.append(network.identity)
    assert len(set(found[:4])) == 4
    assert found[4] == found[0]


def test_a_network_that_is_left_is_released(make_onnx):
    with pytest.raises(LookupError), OnnxRuntime(make_onnx()) as network:
        raise LookupError
    with pytest.raises(GuideError, match="cannot run this model"):
        network.run({"image": images(1)})


@pytest.mark.parametrize("optimise", [True, False])
def test_without_optimising_the_same_is_computed(make_onnx, optimise):
    with OnnxRuntime(make_onnx(), optimise=optimise) as network:
        np.testing.assert_array_equal(network.run({"image": images(2)})[0], 2 * images(2))


def test_with_aipp_the_input_is_nhwc_bytes(make_onnx):
    with OnnxRuntime(make_onnx(), Aipp(mean=(1, 2, 3))) as network:
        assert network.inputs == (Value("image", "uint8", ("N", 4, 6, 3)),)
        scaled, _ = run_batch(network, {"image": np.full((2, 4, 6, 3), 7, np.uint8)})
    assert scaled[:, :, 0, 0].tolist() == [[12, 10, 8]] * 2


@pytest.mark.parametrize(
    "given", [np.zeros((1, 3, 5, 5), np.float32), np.zeros((1, 3, 4, 6)), np.zeros(3, np.float32)]
)
def test_an_input_that_the_model_does_not_take_is_told_in_one_message(make_onnx, given):
    with (
        OnnxRuntime(make_onnx()) as network,
        pytest.raises(GuideError, match="ONNX Runtime cannot run this model on this input: "),
    ):
        run_batch(network, {"image": given})


def test_a_model_that_onnx_runtime_cannot_load_is_named_with_the_reason(make_onnx):
    path = make_onnx()
    proto = onnx.load(path)
    proto.graph.node[1].domain = "org.example"
    proto.graph.node[1].op_type = "Unheard"
    proto.opset_import.append(helper.make_opsetid("org.example", 1))
    onnx.save(proto, path)
    with pytest.raises(GuideError) as error:
        OnnxRuntime(path)
    assert str(error.value).startswith(f"{path}: ONNX Runtime cannot load this model: ")
    assert "Unheard" in str(error.value)


def test_without_onnx_runtime_the_command_names_the_package(tmp_path, make_onnx, make_inputs):
    make_inputs(1)
    code = (
        "import runpy, sys; sys.modules['onnxruntime'] = None;"
        "runpy.run_module('common.infer', run_name='__main__')"
    )
    words = ["--model", str(make_onnx()), "--input", "prep", "--out", "out"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: the package 'onnxruntime' is not installed in ")
