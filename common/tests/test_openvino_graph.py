"""backends/openvino_graph.py: what is changed in a network before OpenVINO compiles it changes no figure."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from common.backends import openvino
from common.backends.openvino import OpenVino
from common.backends.openvino_graph import add_in_place_of_stacking

try:
    CORE = openvino.check_there("float32")
except Exception as error:  # noqa: BLE001  whatever keeps it from starting here
    pytest.skip(f"OpenVINO does not run here: {error}", allow_module_level=True)
SHORT = [precision for precision in openvino.precisions(CORE) if precision != "float32"]
needs_short = pytest.mark.skipif(not SHORT, reason="this CPU computes in float32 only")


@needs_short
@pytest.mark.parametrize("precision", SHORT)
def test_places_of_selected_regions_stay_exact(tmp_path, precision):
    nodes = [
        helper.make_node("NonMaxSuppression", ["boxes", "scores", "most"], ["selected"]),
        helper.make_node("Gather", ["selected", "last"], ["index"], axis=1),
        helper.make_node("Gather", ["boxes", "first"], ["one_list"], axis=0),
        helper.make_node("Gather", ["one_list", "index"], ["kept"], axis=0),
        helper.make_node("Sub", ["kept", "offset"], ["places"]),
        helper.make_node("MatMul", ["places", "weights"], ["products"]),
    ]
    constants = {
        "most": np.array([1], np.int64),
        "last": np.array(2, np.int64),
        "first": np.array(0, np.int64),
        "offset": np.full(4, 1000, np.float32),
        "weights": np.eye(4, 32, dtype=np.float32),
    }
    sides = {"boxes": (1, 2, 4), "scores": (1, 1, 2), "products": (1, 32)}
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in sides.items()]
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(nodes, "regions", values[:2], values[2:], weights)
    path = tmp_path / "regions.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)
    boxes = np.array([[[1, 2, 3, 4], [1001, 1003, 1005, 1007]]], np.float32)
    with OpenVino(path, precision=precision) as network:
        (products,) = network.run({"boxes": boxes, "scores": np.array([[[0.1, 0.9]]], np.float32)})
    assert products[0, :4].tolist() == [1, 3, 5, 7]


def test_a_division_by_a_constant_rounds_as_a_division(tmp_path):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1000]) for name in ("x", "quotient")]
    seven = helper.make_tensor("seven", TensorProto.FLOAT, [], [7])
    node = helper.make_node("Div", ["x", "seven"], ["quotient"])
    graph = helper.make_graph([node], "cells", values[:1], values[1:], [seven])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.save(proto, tmp_path / "cells.onnx")
    given = np.arange(1000, dtype=np.float32)[None]
    with OpenVino(tmp_path / "cells.onnx") as network:
        np.testing.assert_array_equal(network.run({"x": given})[0], given / np.float32(7))


@pytest.fixture
def stacked(tmp_path):
    """Write an ONNX file that sums three maps, of 1x2x3x4 each, which it stacks along an axis first, and doubles that."""

    def write(axis, axes, keepdims, summed):
        nodes = [helper.make_node("Unsqueeze", [name], [f"{name}1"], axes=[axis % 5]) for name in "abc"]
        nodes += [
            helper.make_node("Concat", ["a1", "b1", "c1"], ["stack"], axis=axis),
            helper.make_node("ReduceSum", ["stack"], [summed], axes=axes, keepdims=keepdims),
            helper.make_node("Mul", [summed, "two"], ["doubled"]),
        ]
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 3, 4]) for name in "abc"]
        found = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("doubled", "sum")]
        two = helper.make_tensor("two", TensorProto.FLOAT, [], [2])
        graph = helper.make_graph(nodes, "pyramid", values, found[: 1 + (summed == "sum")], [two])
        path = tmp_path / "stacked.onnx"
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
        onnx.save(onnx.shape_inference.infer_shapes(proto), path)
        return path

    return write


def kinds(model):
    return {node.get_type_name() for node in model.get_ops()}


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize(
    ("axis", "axes", "added"),
    [
        (-1, [-1], True),
        (4, [-1], True),
        (2, [2], True),
        (2, [1], False),  # summed along another axis
        (2, [2, 3], False),  # and along another one
    ],
)
@pytest.mark.parametrize("summed", ["inner", "sum"])  # the latter is an output itself
def test_maps_that_are_stacked_to_be_summed_are_added_in_order(stacked, axis, axes, added, keepdims, summed):
    path = stacked(axis, axes, keepdims, summed)
    model = CORE.read_model(path)
    add_in_place_of_stacking(openvino.library(), model)
    assert ("Concat" in kinds(model)) is not added
    maps = np.random.default_rng(0).standard_normal((3, 1, 2, 3, 4), np.float32)
    place = axis % 5
    wanted = (
        maps[0] + maps[1] + maps[2]
        if added
        else np.stack(list(maps), place).sum(tuple(each % 5 for each in axes))
    )
    if keepdims:
        wanted = np.expand_dims(wanted, tuple(each % 5 for each in axes))
    with OpenVino(path) as network:
        outputs = network.run(dict(zip("abc", maps, strict=True)))
    assert [value.name for value in network.outputs] == ["doubled", "sum"][: len(outputs)]
    np.testing.assert_allclose(outputs[0], 2 * wanted, rtol=0 if added else 1e-6)
    if summed == "sum":
        np.testing.assert_allclose(outputs[1], wanted, rtol=0 if added else 1e-6)


def test_maps_of_several_channels_are_not_added(tmp_path):
    nodes = [
        helper.make_node("Concat", ["a", "b"], ["stack"], axis=1),
        helper.make_node("ReduceSum", ["stack"], ["sum"], axes=[1], keepdims=0),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 3]) for name in "ab"]
    found = helper.make_tensor_value_info("sum", TensorProto.FLOAT, [1, 3])
    graph = helper.make_graph(nodes, "channels", values, [found])
    path = tmp_path / "channels.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), path)
    maps = np.arange(12, dtype=np.float32).reshape(2, 1, 2, 3)
    with OpenVino(path) as network:
        (total,) = network.run({"a": maps[0], "b": maps[1]})
    np.testing.assert_array_equal(total, maps.sum((0, 2)))
