"""64-bit integers in tiny graphs: each kind is found, changed and counted, the values kept as far as they fit."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from patches.int32 import use_int32

LARGEST, LEAST = 2**63 - 1, -(2**63)


def graph(nodes, constants=None, outputs=("y",)):
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    made = helper.make_graph(nodes, "g", [x], results, tensors)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)


@pytest.mark.parametrize("stored", ["raw", "list"])
def test_initializers_are_narrowed_and_counted_however_they_are_stored(stored):
    values = np.array([3, -7, LARGEST, LEAST, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1])
    model = graph([], {"b": np.int64(5), "c": np.float32([1.5, 2]), "d": np.int32([4])})
    if stored == "raw":
        tensor = numpy_helper.from_array(values, "a")
    else:
        tensor = helper.make_tensor("a", TensorProto.INT64, values.shape, values)
    model.graph.initializer.append(tensor)
    assert use_int32(model) == {"initializers": 2}
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    kinds = {name: value.dtype.name for name, value in found.items()}
    assert kinds == {"a": "int32", "b": "int32", "c": "float32", "d": "int32"}
    top, bottom = 2**31 - 1, -(2**31)
    assert found["a"].tolist() == [3, -7, top, bottom, top, top, bottom, bottom]
    assert (found["b"].shape, found["b"]) == ((), 5)
    assert found["c"].tolist() == [1.5, 2]
    assert not any(tensor.int64_data for tensor in model.graph.initializer)


def test_constants_and_values_to_fill_with_are_narrowed_and_counted():
    def tensor(*values):
        return numpy_helper.from_array(np.array(values), "value")

    nodes = [
        helper.make_node("Constant", [], ["a"], "one", value=tensor(2, LARGEST)),
        helper.make_node("Constant", [], ["b"], "two", value=tensor(LEAST)),
        helper.make_node("Constant", [], ["c"], "three", value=tensor(0.5)),
        helper.make_node("ConstantOfShape", ["a"], ["y"], "fill", value=tensor(9)),
    ]
    model = graph(nodes)
    assert use_int32(model) == {"Constant nodes": 2, "ConstantOfShape nodes": 1}
    found = [numpy_helper.to_array(node.attribute[0].t) for node in model.graph.node]
    assert [values.tolist() for values in found] == [[2, 2**31 - 1], [-(2**31)], [0.5], [9]]
    assert [values.dtype.name for values in found] == ["int32", "int32", "float64", "int32"]


def test_casts_to_int64_alone_are_changed():
    kinds = [TensorProto.INT64, TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64]
    nodes = [helper.make_node("Cast", ["x"], [f"c{i}"], f"cast{i}", to=to) for i, to in enumerate(kinds)]
    # A number that happens to be 7 elsewhere is none of a type.
    nodes.append(helper.make_node("Softmax", ["x"], ["y"], "soft", axis=7))
    model = graph(nodes)
    assert use_int32(model) == {"Cast nodes": 2}
    assert [node.attribute[0].i for node in model.graph.node] == [6, 1, 6, 6, 7]


def test_a_cast_follows_every_shape_and_what_used_it_uses_the_cast():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], "first"),
        helper.make_node("Cast", ["s"], ["f"], "one", to=TensorProto.FLOAT),
        helper.make_node("Cast", ["s"], ["g"], "two", to=TensorProto.FLOAT),
        helper.make_node("Shape", ["f"], ["t"], "second"),
        helper.make_node("Cast", ["t"], ["h"], "three", to=TensorProto.FLOAT),
    ]
    model = graph(nodes, outputs=("f", "g", "h"))
    x = np.zeros((2, 3), np.float32)
    expected = ReferenceEvaluator(model).run(None, {"x": x})
    assert use_int32(model) == {"Cast nodes after Shape": 2}
    names = [node.name for node in model.graph.node]
    assert names == ["first", "expand_after_first", "one", "two", "second", "expand_after_second", "three"]
    cast = model.graph.node[1]
    assert (cast.op_type, cast.attribute[0].i) == ("Cast", TensorProto.INT32)
    assert cast.input[0] == model.graph.node[0].output[0] != cast.output[0]
    assert [*cast.output] == [*model.graph.node[2].input] == [*model.graph.node[3].input]
    for found, wanted in zip(ReferenceEvaluator(model).run(None, {"x": x}), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    outputs = [name for node in model.graph.node for name in node.output]
    assert len({*outputs}) == len(outputs)


def test_a_graph_without_int64_stays_as_it_is():
    model = graph([helper.make_node("Relu", ["x"], ["y"], "relu")], {"a": np.float32([1])})
    before = model.SerializeToString()
    assert use_int32(model) == {}
    assert model.SerializeToString() == before


def test_a_second_time_changes_no_tensor_and_recorded_types_are_forgotten():
    cast = helper.make_node("Cast", ["x"], ["y"], "cast", to=TensorProto.INT64)
    model = graph([cast], {"a": np.array([1])})
    model.graph.value_info.append(helper.make_tensor_value_info("inner", TensorProto.INT64, [1]))
    use_int32(model)
    assert len(model.graph.value_info) == 0
    once = ModelProto.FromString(model.SerializeToString())
    assert use_int32(model) == {}
    assert model == once
