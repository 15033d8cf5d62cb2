"""backends/onnxruntime.py: an ONNX file as a network, opened and released."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from common import kernel, threads
from common.backends.base import run_batch
from common.backends.onnxruntime import OnnxRuntime, open_session
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


@pytest.fixture(scope="module")
def convolutions(tmp_path_factory):
    """A file with the operators that the settings concern: convolutions in blocks of channels, pooling, a product."""
    random = np.random.default_rng(0)
    shapes = {"w1": (24, 3, 5, 5), "w2": (32, 24, 3, 3), "w3": (32, 50)}
    weights = [
        numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], kernel_shape=[5, 5], strides=[2, 2], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Conv", ["c", "w2"], ["d"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Sigmoid", ["d"], ["maps"]),
        helper.make_node("ReduceMean", ["maps"], ["e"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["e", "w3"], ["f"]),
        helper.make_node("Softmax", ["f"], ["scores"], axis=1),
    ]
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", *shape])
        for name, shape in (("x", (3, 96, 96)), ("maps", (32, 24, 24)), ("scores", (50,)))
    ]
    graph = helper.make_graph(nodes, "convolutions", values[:1], values[1:], weights)
    path = tmp_path_factory.mktemp("convolutions") / "convolutions.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)
    return path


@pytest.mark.parametrize(("cores", "at_once"), [(1, 1), (2, 1), (2, 2), (4, 3), (4, 4)])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_however_the_cores_are_shared_the_results_are_those_of_onnx_runtime_as_it_comes(
    convolutions, monkeypatch, cores, at_once, batch_size
):
    monkeypatch.setattr(threads, "cores", lambda: cores)
    batches = np.random.default_rng(1).standard_normal((8, batch_size, 3, 96, 96)).astype(np.float32)
    plain = onnxruntime.InferenceSession(str(convolutions), providers=["CPUExecutionProvider"])
    expected = [plain.run(None, {"x": batch}) for batch in batches]
    with (
        OnnxRuntime(convolutions, batch_size=batch_size, at_once=at_once) as network,
        ThreadPoolExecutor(at_once) as pool,
    ):
        assert len(network.models) == at_once
        found = list(pool.map(lambda batch: network.models[-1].run({"x": batch}), batches))
    for ours, theirs in zip(found, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("cores", "left", "at_once", "calls"),
    [
        (4, None, 1, 1),
        (4, None, 100, 4),
        (1, None, 100, 1),
        (
            4,
            4 * 128 * 3 * 4 * 6 * 5,
            100,
            2,
        ),  # a batch of 5 takes 128 bytes for each number: twice that is half
        (4, 0, 100, 1),
    ],
)
def test_as_many_batches_at_once_as_there_are_cores_and_memory(
    make_onnx, monkeypatch, cores, left, at_once, calls
):
    monkeypatch.setattr(threads, "cores", lambda: cores)
    monkeypatch.setattr(kernel, "memory_left", lambda: left)
    with OnnxRuntime(make_onnx(), batch_size=5, at_once=at_once) as network:
        assert len(network.models) == calls


@pytest.mark.parametrize(("at_once", "pool", "spinning"), [(1, 4, True), (2, 7, False), (8, 1, False)])
def test_a_call_has_its_thread_and_those_of_a_pool(make_onnx, monkeypatch, at_once, pool, spinning):
    monkeypatch.setattr(threads, "cores", lambda: 8)
    monkeypatch.setattr(threads, "for_one_job", lambda: 4)
    path = make_onnx()
    options = open_session(str(path), path, 2**30, at_once=at_once).get_session_options()
    assert options.intra_op_num_threads == pool
    if not spinning:
        assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


def test_a_network_for_a_batch_size_of_its_own_has_fewer_batches(make_onnx, monkeypatch):
    monkeypatch.setattr(threads, "cores", lambda: 8)
    with OnnxRuntime(make_onnx(batch=4), batch_size=1, at_once=6) as network:
        assert len(network.models) == 2


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


def test_onnx_runtime_does_not_tell_its_makers_that_it_is_used(tmp_path, make_onnx):
    code = (
        "import sys; from pathlib import Path; from common.backends.onnxruntime import OnnxRuntime;"
        "OnnxRuntime(Path(sys.argv[1])).__exit__()"
    )
    cache = tmp_path / "cache"
    cache.mkdir()
    places = {"HOME": str(cache), "XDG_CACHE_HOME": str(cache), "XDG_DATA_HOME": str(cache)}
    environment = {
        key: value for key, value in os.environ.items() if key not in ("ORT_DISABLE_TELEMETRY", "CI")
    }
    subprocess.run([sys.executable, "-c", code, str(make_onnx())], check=True, env=environment | places)
    assert not list(cache.iterdir())
