"""node_by_node.py: the same numbers as the whole graph gives, and no array kept longer than it is needed."""

from __future__ import annotations

import weakref

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from ascend_tools.preflight.node_by_node import NodeByNode, node_name, reads
from common.errors import GuideError

NETWORK = """
<ir_version: 6, opset_import: ["" : 11]>
network (float[N,3,8,8] image) => (float[N,2,1,1] scores)
<float two = {2.0}, int64[4] shape = {0, 3, 64, 1}>
{
  bias = Constant<value = float[3] {0.5, -1.5, 0.25}>()
  w = Constant<value = float[2,3,1,1] {1.0, -2.0, 0.5, 0.25, 3.0, -1.0}>()
  [normed] n = InstanceNormalization<epsilon = 0.001>(image, bias, bias)
  [sig] s = Sigmoid(n)
  [silu] y = Mul(n, s)
  [flat] f = Reshape(y, shape)
  [twice] t = Mul(f, two)
  [halves] a, b = Split<axis = 2>(t)
  [conv] c = Conv(a, w)
  [pool] scores = GlobalAveragePool(c)
}
"""
BRANCHES = """
<ir_version: 6, opset_import: ["" : 11]>
branches (float[N,2] image) => (float[N,2] y)
{
  [negated] m = Neg(image)
  [total] s = ReduceSum<keepdims = 0>(image)
  zero = Constant<value = float {0.0}>()
  [positive] p = Greater(s, zero)
  [choice] y = If(p) <
    then_branch = yes () => (float[N,2] u) { u = Add(m, image) },
    else_branch = no () => (float[N,2] v) { k = Abs(m) v = Identity(k) }
  >
}
"""


def parse(text):
    model = onnx.parser.parse_model(text)
    onnx.checker.check_model(model)
    return model


def run_all(graph, feeds):
    """Return copies of all arrays that a run makes."""
    found = {}
    graph.run(feeds, lambda index, inputs, made: found.update({n: a.copy() for n, a in made.items()}))
    return found


def whole(model, feeds):
    """Return all arrays that nodes make, out of one session without optimisations."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    names = [n for node in model.graph.node if node.op_type != "Constant" for n in node.output]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return dict(zip(names, session.run(names, feeds), strict=True))


def test_every_array_is_that_of_the_whole_graph_to_the_bit_at_any_batch_size():
    model = parse(NETWORK)
    graph = NodeByNode(model)
    for batch in (1, 3, 2):
        image = np.random.default_rng(batch).normal(size=(batch, 3, 8, 8)).astype(np.float32)
        found, expected = run_all(graph, {"image": image}), whole(model, {"image": image})
        assert set(found) == set(expected) == {"n", "s", "y", "f", "t", "a", "b", "c", "scores"}
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
    assert graph.skipped == {}


def test_each_node_is_looked_at_in_order_with_what_it_takes_and_makes():
    graph = NodeByNode(parse(NETWORK))
    seen = []
    graph.run(
        {"image": np.ones((1, 3, 8, 8), np.float32)},
        lambda index, inputs, made: seen.append((node_name(graph.nodes[index]), [*inputs], [*made])),
    )
    assert seen[0] == ("normed", ["image"], ["n"])
    assert seen[2] == ("silu", ["n", "s"], ["y"])
    names = ["normed", "sig", "silu", "flat", "twice", "halves", "conv", "pool"]
    assert [name for name, _, _ in seen] == names


def test_the_constants_are_those_of_initializers_and_nodes():
    weights = dict(NodeByNode(parse(NETWORK)).weights)
    assert set(weights) == {"two", "shape", "bias", "w"}
    np.testing.assert_array_equal(weights["bias"], np.float32([0.5, -1.5, 0.25]))


@pytest.mark.parametrize(("sign", "expected"), [(1, [[0, 0]]), (-1, [[3, 4]])])
def test_a_branch_takes_values_from_outside_of_it(sign, expected):
    model = parse(BRANCHES)
    assert reads(model.graph.node[4]) == ["p", "m", "image"]
    image = np.float32([[3 * sign, 4 * sign]])
    np.testing.assert_array_equal(run_all(NodeByNode(model), {"image": image})["y"], expected)


@given(st.data())
def test_of_the_arrays_made_before_only_those_are_alive_that_are_still_to_be_taken(data):
    count = data.draw(st.integers(1, 12))
    names = ["x0"]
    nodes = []
    for index in range(count):
        taken = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=3))
        nodes.append(helper.make_node("Sum", taken, [f"x{index + 1}"]))
        names.append(f"x{index + 1}")
    value = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 4]) for n in ("x0", names[-1])]
    model = helper.make_model(
        helper.make_graph(nodes, "chain", value[:1], value[1:]),
        opset_imports=[helper.make_opsetid("", 11)],
        ir_version=6,
    )
    made_so_far = {}

    def check(index):
        needed = {n for node in nodes[index:] for n in node.input}  # by this node or a later one
        alive = {name for name, reference in made_so_far.items() if reference() is not None}
        assert alive == needed & set(made_so_far)

    class Checked(NodeByNode):
        def run_node(self, index, inputs):
            check(index)
            return super().run_node(index, inputs)

    def look(index, inputs, made):
        check(index)
        made_so_far.update({name: weakref.ref(array) for name, array in made.items()})

    Checked(model).run({"x0": np.ones((2, 4), np.float32)}, look)
    assert len(made_so_far) == count
    assert all(reference() is None for reference in made_so_far.values())


def test_what_onnx_runtime_does_not_know_is_skipped_with_all_that_follows_from_it():
    model = parse("""
    <ir_version: 6, opset_import: ["" : 11, "our.own" : 1]>
    g (float[N,2] image) => (float[N,2] y)
    {
      [fine] a = Neg(image)
      [odd] b = our.own.Wobble(a)
      [after] c = Neg(b)
      [also_fine] y = Abs(a)
    }""")
    graph = NodeByNode(model)
    for _ in range(2):
        assert set(run_all(graph, {"image": np.ones((1, 2), np.float32)})) == {"a", "y"}
    assert graph.skipped.keys() == {1, 2}
    assert graph.skipped[1].startswith("ONNX Runtime cannot load it: ")
    assert "Wobble" in graph.skipped[1]
    assert graph.skipped[2] == "takes 'b', which could not be made"


def test_a_node_is_loaded_once_for_all_batches_or_tried_once(monkeypatch):
    tried, session = [], onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda *a, **k: tried.append(1) or session(*a, **k), raising=True
    )
    model = parse("""
    <ir_version: 6, opset_import: ["" : 11, "our.own" : 1]>
    g (float[N,2] image) => (float[N,2] y) { y = Neg(image) b = our.own.Wobble(y) }""")
    graph = NodeByNode(model)
    for batch in (1, 2, 3):
        graph.run({"image": np.ones((batch, 2), np.float32)}, lambda *_: None)
    assert len(tried) == 2


def test_what_takes_a_sequence_of_arrays_is_skipped():
    model = parse("""
    <ir_version: 6, opset_import: ["" : 11]>
    g (float[N,2] image) => (float[K,2] y)
    {
      parts = SplitToSequence<axis = 0>(image)
      [joined] y = ConcatFromSequence<axis = 0>(parts)
    }""")
    graph = NodeByNode(model)
    assert run_all(graph, {"image": np.ones((3, 2), np.float32)}) == {}
    assert graph.skipped == {1: "takes 'parts', which could not be made"}


def test_a_node_that_fails_on_an_input_is_named():
    model = parse("""
    <ir_version: 6, opset_import: ["" : 11]>
    g (float[N,2] image) => (float[1,2] y)
    <int64[2] shape = {1, 2}>
    { [for_one] y = Reshape(image, shape) }""")
    graph = NodeByNode(model)
    assert run_all(graph, {"image": np.ones((1, 2), np.float32)})["y"].shape == (1, 2)
    with pytest.raises(
        GuideError, match="ONNX Runtime cannot run the node 'for_one' on this input: .*reshape"
    ):
        graph.run({"image": np.ones((3, 2), np.float32)}, lambda *_: None)


def test_a_node_without_a_name_goes_by_its_first_output():
    assert node_name(helper.make_node("Abs", ["x"], ["y"])) == "y"
    assert node_name(helper.make_node("Abs", ["x"], ["y"], name="Abs_1")) == "Abs_1"
