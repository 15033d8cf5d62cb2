"""graph/simplify.py: onnxsim's graph, unless it says itself that it is wrong."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from common.backends.base import run_batch
from common.backends.deployed import open_model
from common.graph.simplify import simplify
from tests.conftest import refused


@pytest.fixture
def source(make_onnx):
    """The tiny model with a constant that is computed from two."""
    path = make_onnx(bias=3.0)
    proto = onnx.load(path)
    one = numpy_helper.from_array(np.array(1.5, np.float32), "half")
    proto.graph.initializer.append(one)
    proto.graph.node.insert(0, helper.make_node("Add", ["half", "half"], ["three"], name="Add_0"))
    add = next(node for node in proto.graph.node if node.name == "Add_9")
    add.input[1] = "three"
    onnx.save(proto, path)
    return path


def test_the_simplified_file_has_fewer_nodes_and_computes_the_same(source, tmp_path):
    pytest.importorskip("onnxsim", reason="an export needs it")
    simple = tmp_path / "simple.onnx"
    assert simplify(source, simple) == (4, 3)
    assert len(onnx.load(simple).graph.node) == 3
    images = np.random.default_rng(0).random((2, 3, 4, 6), np.float32)
    with open_model(source, optimise=False) as before, open_model(simple, optimise=False) as after:
        for deployed in (before, after):
            scaled, sums = run_batch(deployed, {"image": images})
            np.testing.assert_allclose(scaled, 2 * images + 3, rtol=1e-6)
            np.testing.assert_allclose(sums, images.sum((2, 3)), rtol=1e-6)


@pytest.fixture
def onnxsim(monkeypatch):
    """An onnxsim that hands the graph back, and notes what it was asked for."""
    asked = []

    def fake(proto, skipped_optimizers):
        asked.append(skipped_optimizers)
        return proto, asked != [["wrong"]]

    monkeypatch.setitem(sys.modules, "onnxsim", SimpleNamespace(simplify=fake))
    return asked


def test_optimisations_can_be_left_out(source, tmp_path, onnxsim):
    assert simplify(source, tmp_path / "same.onnx", ("fuse_pad_into_pool",)) == (4, 4)
    assert onnxsim == [["fuse_pad_into_pool"]]


def test_a_graph_that_onnxsim_calls_wrong_is_not_written(source, tmp_path, onnxsim):
    with refused(f"{source}: onnxsim itself says that its simplified graph computes something else."):
        simplify(source, tmp_path / "wrong.onnx", ["wrong"])
    assert not (tmp_path / "wrong.onnx").exists()
