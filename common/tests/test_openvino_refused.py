"""What OpenVINO is not given, and an installation of it that does not work."""

from __future__ import annotations

import sys

import onnx
import pytest
from onnx import TensorProto, helper

from common import kernel
from common.backends import openvino
from common.backends.openvino import OpenVino
from tests.conftest import refused

try:
    openvino.check_there("float32")
except Exception as error:  # noqa: BLE001  whatever keeps it from starting here
    pytest.skip(f"OpenVINO does not run here: {error}", allow_module_level=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("raise RuntimeError('it is\\n broken')", "cannot import openvino (it is broken), "),
        ("raise OSError('libx.so: not found')", "cannot import openvino (libx.so: not found), "),
        ("", "cannot import openvino (module 'openvino' has no attribute 'Type'), "),
    ],
)
def test_a_broken_openvino_is_told_in_one_message(tmp_path, monkeypatch, content, said):
    (tmp_path / "openvino.py").write_text(content, encoding="ascii")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "openvino")
    with refused(f"{sys.executable}: {said}", whole=False):
        openvino.check_there("float32")
    sys.modules.pop("openvino", None)  # the broken one


def test_an_openvino_without_a_cpu_is_told_in_one_message(monkeypatch):
    class Library:
        Core = None

    monkeypatch.setattr(openvino, "library", Library)
    with refused(
        f"{sys.executable}: cannot use openvino on the CPU ('NoneType' object is not callable), ", whole=False
    ):
        openvino.check_there("float32")


def test_a_batch_of_more_than_the_memory_that_is_left_is_refused(make_onnx, monkeypatch):
    path = make_onnx()
    monkeypatch.setattr(kernel, "memory_left", lambda: 10)
    with refused(f"{path}: a batch of 8 would take ", whole=False):
        OpenVino(path, batch_size=8)


@pytest.mark.parametrize("kind", ["Tile", "If"])
def test_a_value_whose_size_nothing_bounds_is_refused(tmp_path, kind):
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, side])
        for name, side in (("x", 4), ("y", None))
    ]
    if kind == "Tile":
        one = helper.make_tensor("one", TensorProto.INT64, [1], [1])
        nodes = [
            helper.make_node("ReduceMax", ["x"], ["most"], axes=[0, 1], keepdims=0),
            helper.make_node("Cast", ["most"], ["whole"], to=TensorProto.INT64),
            helper.make_node("Reshape", ["whole", "one"], ["list"]),
            helper.make_node("Concat", ["one", "list"], ["repeats"], axis=0),
            helper.make_node("Tile", ["x", "repeats"], ["y"]),
        ]
    else:
        one = helper.make_tensor("one", TensorProto.BOOL, [], [1])
        branch = helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "branch", [], values[1:])
        branch.output[0].name = "z"
        nodes = [
            helper.make_node("ReduceMax", ["x"], ["most"], axes=[0, 1], keepdims=0),
            helper.make_node("Cast", ["most"], ["whole"], to=TensorProto.BOOL),
            helper.make_node("If", ["whole"], ["y"], then_branch=branch, else_branch=branch),
        ]
    graph = helper.make_graph(nodes, "sizes", values[:1], values[1:], [one])
    path = tmp_path / "sizes.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)
    with refused(f"{path}: the size of 'y' ({kind}) depends on what is computed, ", whole=False):
        OpenVino(path)
