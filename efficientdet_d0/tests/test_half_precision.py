"""What ops_info.json is for: in half precision the sums of ReduceMean leave the range, and the list keeps them in float32.

Seen in a block as the network has sixteen: a map, its means, a gate of them (squeeze and excitation).
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from common.backends.deployed import Runtime, open_model
from common.backends.emulation import Emulation
from tests.conftest import FACTS, HERE

WITHOUT = (("precision_mode", "force_fp16"), ("modify_mixlist", ""))


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """Write a block: a convolution, x * sigmoid(x), the means of 256x256 numbers, two products, the gate."""
    random = np.random.default_rng(5)
    weights = {
        "stem": random.normal(0, 0.5, (8, 3, 1, 1)),
        "shift": np.full(8, 3.0),
        "reduce": random.normal(0, 0.4, (4, 8, 1, 1)),
        "expand": random.normal(0, 0.8, (8, 4, 1, 1)),
    }
    node = helper.make_node
    nodes = [
        node("Conv", ["x", "stem", "shift"], ["map"]),
        node("Sigmoid", ["map"], ["share"]),
        node("Mul", ["map", "share"], ["active"]),
        node("ReduceMean", ["active"], ["means"], axes=[2, 3], keepdims=1),
        node("Conv", ["means", "reduce"], ["few"]),
        node("Conv", ["few", "expand"], ["all"]),
        node("Sigmoid", ["all"], ["gate"]),
        node("Mul", ["active", "gate"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "block",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 256, 256])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8, 256, 256])],
        [numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()],
    )
    path = tmp_path_factory.mktemp("block") / "block.onnx"
    opset = helper.make_opsetid("", FACTS.opset)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=6), path)
    return path


def outputs(path, runtime):
    """Return what the block makes of a map of noise."""
    given = np.random.default_rng(6).normal(0, 1, (2, 3, 256, 256)).astype(np.float32)
    with open_model(path, runtime, facts=FACTS, folder=HERE) as network:
        return network.run({"x": given})[0]


def emulated(*options, soc_version=None):
    return Runtime(precision="float16-emulated", emulation=Emulation(soc_version, options))


def test_with_the_guides_list_the_block_holds(block, capsys):
    wanted = outputs(block, None)
    found = outputs(block, emulated())
    assert (
        "allow_mix_precision; in float32: ReduceMean; overflow saturates; 1 of 8 nodes"
        in capsys.readouterr().out
    )
    assert np.abs(found - wanted).max() < 0.005 * np.abs(wanted).max()


def test_without_it_the_gates_are_wrong_though_nothing_is_infinite(block):
    wanted = outputs(block, None)
    found = outputs(block, emulated(*WITHOUT))
    assert np.isfinite(found).all()  # the chip saturates, so that the block only looks inexact
    assert np.abs(found - wanted).max() > 0.05 * np.abs(wanted).max()


def test_on_a_later_chip_the_same_shows_as_numbers_that_are_none(block):
    assert not np.isfinite(outputs(block, emulated(*WITHOUT, soc_version="Ascend910B4"))).all()
    assert np.isfinite(outputs(block, emulated(soc_version="Ascend910B4"))).all()
