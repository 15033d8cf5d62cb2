"""backends/openvino.py: an ONNX file on the CPU by OpenVINO, in the precision that was asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from common import threads
from common.backends import openvino
from common.backends.base import fixed_batch, models_of, run_batch
from common.backends.onnxruntime import OnnxRuntime
from common.backends.openvino import OpenVino
from common.graph.aipp import Aipp
from common.graph.outline import Value
from tests.conftest import refused

try:
    CORE = openvino.check_there("float32")
except Exception as error:  # noqa: BLE001  whatever keeps it from starting here
    pytest.skip(f"OpenVINO does not run here: {error}", allow_module_level=True)
SHORT = [precision for precision in openvino.precisions(CORE) if precision != "float32"]
needs_short = pytest.mark.skipif(not SHORT, reason="this CPU computes in float32 only")


def images(count):
    return np.random.default_rng(count).integers(0, 256, (count, 3, 4, 6)).astype(np.float32)


@pytest.fixture
def convolution(tmp_path):
    """Write an ONNX file of a convolution and a ReLU: image [batch,3,16,16] to maps [batch,64,14,14]."""

    def write(batch="N"):
        weights = np.random.default_rng(0).standard_normal((64, 3, 3, 3), np.float32)
        nodes = [
            helper.make_node("Conv", ["image", "weights"], ["sums"]),
            helper.make_node("Relu", ["sums"], ["maps"]),
        ]
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, *shape])
            for name, shape in (("image", (3, 16, 16)), ("maps", (64, 14, 14)))
        ]
        graph = helper.make_graph(
            nodes, "twin", values[:1], values[1:], [numpy_helper.from_array(weights, "weights")]
        )
        path = tmp_path / "convolution.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)
        return path

    return write


def test_an_open_model_describes_itself_and_runs(make_onnx):
    path = make_onnx(bias=0.5)
    with OpenVino(path, batch_size=3) as network, OnnxRuntime(path) as other:
        assert (network.name, network.precision) == ("openvino", "float32")
        assert network.inputs == (Value("image", "float32", (3, 3, 4, 6)),)
        assert [value.name for value in network.outputs] == ["scaled", "sums"]
        assert network.identity == other.identity
        given = images(3)
        scaled, sums = run_batch(network, {"image": given})
    np.testing.assert_array_equal(scaled, 2 * given + np.float32(0.5))
    np.testing.assert_array_equal(sums, given.sum((2, 3)))


@pytest.mark.parametrize(("batch", "asked", "built"), [("N", 1, 1), ("N", 4, 4), (3, 1, 3), (3, 2, 3)])
def test_it_is_built_for_one_batch_size_and_smaller_ones_are_padded(make_onnx, batch, asked, built):
    with OpenVino(make_onnx(batch=batch), batch_size=asked) as network:
        assert fixed_batch(network) == built
        for count in {1, built}:
            scaled, _ = run_batch(network, {"image": images(count)})
            np.testing.assert_array_equal(scaled, 2 * images(count))


def test_what_a_call_returned_is_not_overwritten_by_the_next(make_onnx):
    with OpenVino(make_onnx()) as network:
        first, _ = network.run({"image": images(1)})
        network.run({"image": images(1) + 1})
    np.testing.assert_array_equal(first, 2 * images(1))


@pytest.mark.parametrize(("batch", "asked", "at_once"), [("N", 1, 9), ("N", 4, 3), (4, 1, 9)])
def test_as_many_batches_run_at_the_same_time_as_there_are_cores(
    make_onnx, batch, asked, at_once, monkeypatch
):
    monkeypatch.setattr(threads, "cores", lambda: 3)
    with OpenVino(make_onnx(batch=batch), batch_size=asked, at_once=at_once) as network:
        models = models_of(network)
        assert len(models) == 3
        size = fixed_batch(network)
        given = [np.full((size, 3, 4, 6), number, np.float32) for number in range(60)]
        with ThreadPoolExecutor(3) as pool:
            parts = [
                pool.submit(lambda model, mine: [model.run({"image": each})[0] for each in mine], *job)
                for job in zip(models, (given[0::3], given[1::3], given[2::3]), strict=True)
            ]
        for first, part in enumerate(parts):
            for number, scaled in zip(range(first, 60, 3), part.result(), strict=True):
                assert np.unique(scaled).tolist() == [2 * number]


def test_the_first_calls_of_several_threads_do_not_wait_for_each_other_for_ever(make_onnx):
    code = """
import builtins, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from common import threads
from common.backends.openvino import OpenVino
threads.cores = lambda: 2
real = builtins.__import__
def slow(name, *words, **more):  # another thread gets its turn while OpenVINO looks for numpy
    if name.startswith("numpy"):
        time.sleep(0.2)
    return real(name, *words, **more)
with OpenVino(Path(sys.argv[1]), at_once=2) as network, ThreadPoolExecutor(2) as pool:
    builtins.__import__ = slow
    image = np.zeros((1, 3, 4, 6), np.float32)
    print(len(list(pool.map(lambda view: view.run({"image": image}), network.models))))
"""
    words = [sys.executable, "-c", code, str(make_onnx())]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "2\n"


def test_a_single_batch_has_one_view(make_onnx):
    with OpenVino(make_onnx(), batch_size=8, at_once=1) as network:
        assert len(models_of(network)) == 1


@needs_short
@pytest.mark.parametrize("precision", SHORT)
def test_a_reduced_precision_is_what_was_asked_for_and_float32_is_exact(convolution, precision):
    path, given = convolution(), {"image": np.random.default_rng(1).random((1, 3, 16, 16), np.float32)}
    with OnnxRuntime(path) as network:
        (wanted,) = network.run(given)
    with OpenVino(path) as network:  # its own default would be the reduced one
        np.testing.assert_allclose(network.run(given)[0], wanted, atol=1e-5)
    with OpenVino(path, precision=precision) as network:
        assert network.precision == precision
        (found,) = network.run(given)
    assert found.dtype == np.float32
    difference = np.abs(found - wanted).max()
    assert 1e-4 < difference < 0.1


@needs_short
def test_a_network_that_nothing_reduced_runs_of_is_refused(make_onnx):
    path = make_onnx()
    with refused(
        f"{path}: asked to compute in {SHORT[0]}, OpenVINO computes in float32; take another --precision, or --backend "
        "onnxruntime."
    ):
        OpenVino(path, precision=SHORT[0])


class Cpu:
    """A core of OpenVINO on a CPU that computes in what it is given."""

    def __init__(self, *there):
        self.there = there

    def get_property(self, _, key):
        return {"OPTIMIZATION_CAPABILITIES": [*self.there, "INT8"], "FULL_DEVICE_NAME": "Old CPU"}[key]


@pytest.mark.parametrize(
    ("there", "precision", "remedy"),
    [
        (("FP32",), "bfloat16", "but in float32. Take --precision float32."),
        (("BF16", "FP32"), "float16", "but in float32 and bfloat16. Take --precision bfloat16."),
        (("FP32", "FP16"), "bfloat16", "but in float32 and float16. Take --precision float16."),
    ],
)
def test_a_precision_that_the_cpu_does_not_have_is_refused(monkeypatch, there, precision, remedy):
    class Library:
        Core = staticmethod(lambda: Cpu(*there))

    monkeypatch.setattr(openvino, "library", Library)
    with refused(f"--precision {precision}: OpenVINO cannot compute in it on this CPU (Old CPU), {remedy}"):
        openvino.check_there(precision)


def test_a_graph_as_it_is_written_is_refused(make_onnx):
    path = make_onnx()
    with refused(
        f"{path}: OpenVINO runs no graph as it is written, but in a form of its own; take --backend onnxruntime."
    ):
        OpenVino(path, optimise=False)


def test_with_aipp_the_input_is_nhwc_bytes(make_onnx):
    with OpenVino(make_onnx(), Aipp(mean=(1, 2, 3)), batch_size=2) as network:
        assert network.inputs == (Value("image", "uint8", (2, 4, 6, 3)),)
        scaled, _ = run_batch(network, {"image": np.full((2, 4, 6, 3), 7, np.uint8)})
    assert scaled[:, :, 0, 0].tolist() == [[12, 10, 8]] * 2


def test_a_path_that_is_no_utf8_is_opened(make_onnx):
    path = make_onnx()
    odd = path.rename(path.with_name(os.fsdecode(b"\xff.onnx")))
    with OpenVino(odd) as network:
        np.testing.assert_array_equal(network.run({"image": images(1)})[0], 2 * images(1))


def test_inputs_that_are_read_only_or_lie_otherwise_in_memory_are_taken(make_onnx):
    given = np.asfortranarray(images(1))
    given.flags.writeable = False
    with OpenVino(make_onnx()) as network:
        np.testing.assert_array_equal(network.run({"image": given})[0], 2 * given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((1, 3, 5, 5), np.float32), "OpenVINO cannot run this model on this input: "),
        (np.zeros((1, 3, 4, 6)), "expected the input 'image' as float32, found float64."),
    ],
)
def test_an_input_that_the_model_does_not_take_is_told_in_one_message(make_onnx, given, message):
    path = make_onnx()
    with OpenVino(path) as network, refused(f"{path}: {message}", whole=False):
        network.run({"image": given})


def test_a_model_that_openvino_cannot_load_is_named_with_the_reason(make_onnx):
    path = make_onnx()
    proto = onnx.load(path)
    proto.graph.node[1].domain = "org.example"
    proto.graph.node[1].op_type = "Unheard"
    proto.opset_import.append(helper.make_opsetid("org.example", 1))
    onnx.save(proto, path)
    with refused(f"{path}: OpenVINO cannot load this model: ", whole=False):
        OpenVino(path)


def test_values_that_take_more_memory_than_is_allowed_are_refused(make_onnx, monkeypatch):
    path = make_onnx()
    monkeypatch.setattr(openvino, "batch_memory", lambda model: 2**60)
    with refused(f"{path}: a batch of 1 would take {2**60} bytes of memory, more than ", whole=False):
        OpenVino(path)


def test_padding_before_pooling_is_run_as_it_is_written(tmp_path):
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["padded"]),  # with 0
        helper.make_node("MaxPool", ["padded"], ["y"], kernel_shape=[3, 3], strides=[2, 2]),
    ]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, size, size])
        for name, size in (("x", 4), ("y", 2))
    ]
    pads = helper.make_tensor("pads", TensorProto.INT64, [8], [0, 0, 0, 0, 0, 0, 1, 1])
    graph = helper.make_graph(nodes, "pool", values[:1], values[1:], [pads])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.save(proto, tmp_path / "pool.onnx")
    with OpenVino(tmp_path / "pool.onnx") as network:
        given = -np.arange(1, 17, dtype=np.float32).reshape(1, 1, 4, 4)
        assert network.run({"x": given})[0].tolist() == [[[[-1, 0], [0, 0]]]]


def test_nothing_is_told_to_its_makers():
    code = (
        "import sys; from common.backends import openvino; openvino.library(); "
        "print([name for name in sys.modules if 'openvino_telemetry' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_openvino_the_command_says_how_to_install_it(tmp_path, make_onnx):
    code = (
        "import runpy, sys; sys.modules['openvino'] = None;"
        "runpy.run_module('common.infer', run_name='__main__')"
    )
    words = ["--model", str(make_onnx()), "--loop", "1", "--out", "out", "--backend", "openvino"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {sys.executable}: cannot import openvino (")
    assert done.stderr.endswith(
        "Install it with pip install -r requirements-openvino.txt, or leave --backend out.\n"
    )
