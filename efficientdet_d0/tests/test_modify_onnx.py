"""The padding with -infinity in tiny graphs: found, taken out exactly, replaced as in the guide, refused where it is something else."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from common.errors import GuideError
from patches.infinite_padding import infinite_pads, pad_with_zero, pool_with_own_padding

INFINITE = np.array(-np.inf, np.float32)
AFTER = [0, 0, 0, 0, 0, 0, 1, 1]


def pad(name, source, target, value="inf", pads="pads"):
    return helper.make_node("Pad", [source, pads, value], [target], name=name)


def pool(name, source, target, **own):
    own = {"kernel_shape": [3, 3], "strides": [2, 2], **own}
    return helper.make_node("MaxPool", [source], [target], name=name, **own)


PAIR = [pad("pad", "x", "p"), pool("pool", "p", "y")]


def graph(nodes, constants=None, outputs=("y",), dtype=np.float32, inputs=(), opset=11):
    """A graph from x, 1x2x6x8, with the constants `inf` and `pads` unless others are given."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    constants = {"inf": INFINITE.astype(dtype), "pads": np.array(AFTER, np.int64)} | (constants or {})
    values = [numpy_helper.from_array(v, k) for k, v in constants.items() if v is not None]
    x = helper.make_tensor_value_info("x", kind, [1, 2, 6, 8])
    results = [helper.make_tensor_value_info(name, kind, [None] * 4) for name in outputs]
    made = helper.make_graph(nodes, "g", [x, *inputs], results, values)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)
    onnx.checker.check_model(model)
    return model


def run(model, x, **feeds):
    """Run as it is written: optimisation would turn padding with 0 into MaxPool's own."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {"x": x, **feeds})


def negative(dtype=np.float32):
    """Values below 0, so that padding with 0 wins at the border."""
    return np.random.default_rng(0).uniform(-9, -1, (1, 2, 6, 8)).astype(dtype)


def operators(model):
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("pairs", [0, 1, 3])
def test_every_pair_becomes_one_maxpool_with_the_same_result(pairs):
    nodes, source = [helper.make_node("Identity", ["x"], ["t0"], name="start")], "t0"
    for i in range(pairs):
        nodes += [pad(f"pad{i}", source, f"p{i}"), pool(f"pool{i}", f"p{i}", f"q{i}", strides=[1, 1])]
        source = f"q{i}"
    model = graph([*nodes, helper.make_node("Identity", [source], ["y"])])
    expected = run(model, negative())
    assert len(infinite_pads(model)) == pairs
    assert pool_with_own_padding(model) == [
        f"pool{i}: pads [0, 0, 1, 1], pad{i} removed" for i in range(pairs)
    ]
    assert operators(model) == ["Identity", *["MaxPool"] * pairs, "Identity"]
    onnx.checker.check_model(model)
    np.testing.assert_array_equal(run(model, negative())[0], expected[0])
    assert infinite_pads(model) == []


def test_padding_with_zero_is_what_the_guide_does_and_another_result():
    model = graph(PAIR)
    expected = run(model, negative())[0]
    assert pad_with_zero(model) == ["pad: pads with 0"]
    assert operators(model) == ["Pad", "MaxPool"]
    onnx.checker.check_model(model)
    found = run(model, negative())[0]
    assert (found[..., -1, :] == 0).all()
    assert (found[..., :, -1] == 0).all()
    np.testing.assert_array_equal(found[..., :-1, :-1], expected[..., :-1, :-1])
    assert expected.max() < 0


def test_a_shared_initializer_stays_for_its_other_users():
    nodes = [
        *(pad("pad0", "x", "p0"), pool("pool0", "p0", "y")),
        *(pad("pad1", "x", "p1"), pool("pool1", "p1", "z"), helper.make_node("Min", ["x", "inf"], ["w"])),
    ]
    for change in (pool_with_own_padding, pad_with_zero):
        model = graph(nodes, outputs=("y", "z", "w"))
        assert len(change(model)) == 2
        onnx.checker.check_model(model)
        assert np.isneginf(run(model, negative())[2]).all()


@pytest.mark.parametrize("form", ["value", "value_float", "vector"])
def test_the_constant_may_be_a_node(form):
    value = {
        "value": {"value": numpy_helper.from_array(INFINITE)},
        "value_float": {"value_float": float("-inf")},
        "vector": {"value": numpy_helper.from_array(INFINITE.reshape(1))},
    }[form]
    nodes = [helper.make_node("Constant", [], ["inf"], **value), *PAIR]
    model = graph(nodes, {"inf": None}, opset=12)
    assert pool_with_own_padding(model) == ["pool: pads [0, 0, 1, 1], pad removed"]


def test_one_pad_before_two_maxpools_serves_both():
    nodes = [pad("pad", "x", "p"), pool("a", "p", "y"), pool("b", "p", "z", kernel_shape=[2, 2])]
    model = graph(nodes, outputs=("y", "z"))
    expected = run(model, negative())
    assert len(pool_with_own_padding(model)) == 2
    for found, wanted in zip(run(model, negative()), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_padding_that_the_maxpool_has_is_added_to():
    pads = np.array([0, 0, 1, 0, 0, 0, 0, 1], np.int64)
    model = graph([pad("pad", "x", "p"), pool("pool", "p", "y", pads=[1, 0, 0, 1])], {"pads": pads})
    expected = run(model, negative())[0]
    assert pool_with_own_padding(model) == ["pool: pads [2, 0, 0, 2], pad removed"]
    np.testing.assert_array_equal(run(model, negative())[0], expected)


def test_padding_with_other_values_is_left_alone():
    nodes = [
        *(pad("zero", "x", "a", "zero"), pad("low", "a", "b", "low")),
        helper.make_node("Pad", ["b", "pads"], ["c"], name="default"),
        *(pad("computed", "c", "d", "x0"), pool("pool", "d", "y")),
    ]
    constants = {"zero": np.float32(0).reshape(()), "low": np.array(-3e38, np.float32)}
    x0 = helper.make_tensor_value_info("x0", TensorProto.FLOAT, [])
    model = graph(nodes, constants, inputs=[x0])
    before = model.SerializeToString()
    for change in (pool_with_own_padding, pad_with_zero):
        assert change(model) == []
    assert model.SerializeToString() == before


AVERAGE = helper.make_node("AveragePool", ["p"], ["y"], name="mean", kernel_shape=[3, 3])
RELU = helper.make_node("Relu", ["p"], ["z"], name="relu")
CONSTANT = "node 'pad': expected constant padding of height and width, found "
PLAIN = "node 'pool': expected pooling without auto_pad and ceil_mode"
WINDOW = "node 'pool': its window is not larger than the padding "


def pooled(**own):
    return [PAIR[0], pool("pool", "p", "y", **own)]


def padded(*amounts):
    return {"constants": {"pads": np.array(amounts, np.int64)}}


@pytest.mark.parametrize(
    ("nodes", "options", "words"),
    [
        ([PAIR[0], AVERAGE], {}, "node 'pad': expected MaxPool after it, found ['mean (AveragePool)']"),
        ([*PAIR, RELU], {"outputs": ("y", "z")}, "found ['relu (Relu)']"),
        (PAIR, {"outputs": ("y", "p")}, "node 'pad': expected MaxPool after it, found an output"),
        (PAIR, padded(0, 0, 0, 0, 1, 0, 0, 0), CONSTANT + "["),
        (PAIR, padded(0, 1, 0, 0, 0, 0, 1, 1), CONSTANT + "["),
        (PAIR, padded(0, 0, -1, 0, 0, 0, 1, 1), CONSTANT + "["),
        (pooled(ceil_mode=1), {}, PLAIN),
        (pooled(auto_pad="SAME_UPPER"), {}, PLAIN),
        (pooled(kernel_shape=[1, 1]), {}, WINDOW + "[0, 0, 1, 1]"),
        (pooled(pads=[0, 0, 2, 0]), {}, WINDOW + "[0, 0, 3, 1]"),
    ],
)
def test_what_maxpools_own_padding_cannot_do_is_refused_by_name(nodes, options, words):
    with pytest.raises(GuideError) as caught:
        pool_with_own_padding(graph(nodes, **options))
    assert words in str(caught.value)


def test_padding_that_is_computed_is_refused_exactly_but_can_be_with_zero():
    amounts = helper.make_tensor_value_info("amounts", TensorProto.INT64, [8])
    nodes = [pad("pad", "x", "p", pads="amounts"), PAIR[1]]
    with pytest.raises(GuideError) as caught:
        pool_with_own_padding(graph(nodes, inputs=[amounts]))
    assert str(caught.value) == f"{CONSTANT}None."
    model = graph(nodes, inputs=[amounts])
    assert pad_with_zero(model) == ["pad: pads with 0"]
    run(model, negative(), amounts=np.array(AFTER, np.int64))


@pytest.mark.parametrize("mode", ["reflect", "edge"])
def test_padding_that_repeats_the_picture_is_not_taken_for_infinite(mode):
    node = helper.make_node("Pad", ["x", "pads", "inf"], ["p"], name="pad", mode=mode)
    assert infinite_pads(graph([node, PAIR[1]])) == []


def test_half_precision_stays_half_precision():
    model = graph(PAIR, dtype=np.float16)
    pad_with_zero(model)
    values = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert values[model.graph.node[0].input[2]] == TensorProto.FLOAT16
    onnx.checker.check_model(model, full_check=True)
    exact = graph(PAIR, dtype=np.float16)
    assert pool_with_own_padding(exact) == ["pool: pads [0, 0, 1, 1], pad removed"]
    assert run(exact, negative(np.float16))[0].dtype == np.float16
