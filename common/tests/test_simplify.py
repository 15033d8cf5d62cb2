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
from common.errors import GuideError
from common.graph.simplify import simplify


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
    before, after = simplify(source, tmp_path / "simple.onnx")
    assert (before, after) == (4, 3)
    assert len(onnx.load(tmp_path / "simple.onnx").graph.node) == after
    images = np.random.default_rng(0).random((2, 3, 4, 6), np.float32)
    outputs = []
    for path in (source, tmp_path / "simple.onnx"):
        with open_model(path, optimise=False) as deployed:
            outputs.append(run_batch(deployed, {"image": images}))
    for found, wanted in zip(*outputs, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


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
    with pytest.raises(GuideError) as error:
        simplify(source, tmp_path / "wrong.onnx", ["wrong"])
    assert str(error.value) == (
        f"{source}: onnxsim itself says that its simplified graph computes something else."
    )
    assert not (tmp_path / "wrong.onnx").exists()


def test_a_file_that_is_no_onnx_file_is_named(tmp_path, onnxsim):
    (tmp_path / "a.onnx").write_bytes(b"hello")
    with pytest.raises(GuideError, match=r"a\.onnx: not an? "):
        simplify(tmp_path / "a.onnx", tmp_path / "b.onnx")
    assert onnxsim == []
