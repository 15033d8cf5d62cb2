"""Half precision as it is written into a graph: each operator of the guides' networks, and random graphs, against numpy."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from common.graph.atc_types import plain_type
from common.graph.float16 import emulate
from common.graph.float16_modes import Modes
from common.graph.float16_rounding import rounded
from tests.conftest import refused
from tests.slow_half import all_outputs, check, expected, half, names_of

SHAPE = (2, 4, 6, 8)
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def model_of(nodes, weights=(), opset=11, shape=SHAPE, dtype=FLOAT):
    """Return a model with the input x, whose outputs are those of its last node."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", dtype, shape)],
        [helper.make_empty_tensor_value_info(name) for name in nodes[-1].output],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in dict(weights).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(proto, feeds, names=None):
    """Return the tensors of a model by name, run as it is written."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    names = names or [value.name for value in proto.graph.output]
    session = onnxruntime.InferenceSession(all_outputs(proto, names).SerializeToString(), options)
    return dict(zip(names, session.run(None, feeds), strict=True))


def check_nodes(model, feeds, modes, kept=()):
    """Compare what each node makes, in the rewritten model, with what the slow one makes of the same numbers."""
    emulated = emulate(model, modes)
    found = run(emulated.proto, feeds, names_of(model)) | feeds
    for node in model.graph.node:
        if node.op_type not in kept:
            wanted = expected(model, node, found, saturates=modes.saturates)
            for name, values in zip([name for name in node.output if name], wanted, strict=True):
                check(found[name], np.asarray(values), f"{node.op_type} {name}")
    return found


def node(operator, inputs=("x",), outputs=("y",), **attributes):
    return helper.make_node(operator, [*inputs], [*outputs], **attributes)


def normal(*shape, scale=1.0):
    return (scale * np.random.default_rng(7).standard_normal(shape)).astype(np.float32)


X, NEGATIVE = normal(*SHAPE, scale=3), -np.abs(normal(*SHAPE))
LARGE = normal(*SHAPE, scale=3e4)
ALONE = "Relu Sigmoid Exp Neg Abs Floor Ceil Sign Identity GlobalAveragePool Sqrt Log"
# Each operator that the guides' networks use on float32: the node, further inputs.
OPERATORS = {
    "Conv": (node("Conv", "xwb", pads=[1, 1, 1, 1]), {"w": normal(5, 4, 3, 3), "b": normal(5)}),
    "Conv, depthwise": (node("Conv", "xw", group=4, strides=[2, 2]), {"w": normal(4, 1, 3, 3)}),
    "Gemm": (
        [node("Flatten", outputs="f"), node("Gemm", "fwb", transB=1)],
        {"w": normal(3, 192), "b": normal(3)},
    ),
    "MatMul": (node("MatMul", "xw"), {"w": normal(8, 5)}),
    "BatchNormalization": (
        node("BatchNormalization", "xsbmv"),
        {"s": normal(4), "b": normal(4), "m": normal(4), "v": np.abs(normal(4)) * np.float32(1e-6)},
    ),
    "PRelu": (node("PRelu", "xs"), {"s": normal(4, 1, 1)}),
    "Add": (node("Add", "xw"), {"w": normal(4, 1, 1)}),
    "Sub": (node("Sub", "xw"), {"w": normal(4, 1, 1)}),
    "Mul": (node("Mul", "xw"), {"w": normal(4, 1, 1, scale=100)}),
    "Div": (node("Div", "xw"), {"w": normal(4, 1, 1, scale=1e-3)}),
    "Div by 0": (node("Div", "xw"), {"w": np.zeros((4, 1, 1), np.float32)}),
    "Max": (node("Max", "xw"), {"w": normal(4, 1, 1)}),
    "Pad": (node("Pad", "xpv"), {"p": np.array([0, 0, 1, 1, 0, 0, 2, 0]), "v": np.float32(0.1)}),
    "Clip": (node("Clip", "xlh"), {"l": np.float32(-1.1), "h": np.float32(2.3)}),
    "Clip, old": (node("Clip", min=-1.1, max=2.3), {}),
    **{name: (node(name), {}) for name in ALONE.split()},
    "Softmax": (node("Softmax", axis=3), {}),
    "MaxPool": (node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), {}),
    "AveragePool": (node("AveragePool", kernel_shape=[3, 3], strides=[2, 2]), {}),
    "ReduceMean": (node("ReduceMean", axes=[2, 3], keepdims=1), {}),
    "ReduceMean, flat": (node("ReduceMean", axes=[1], keepdims=0), {}),
    "ReduceSum": (node("ReduceSum", axes=[0, 1], keepdims=0), {}),
    "ReduceL2": (node("ReduceL2", axes=[1], keepdims=1), {}),
    "Concat": (node("Concat", "xw", axis=1), {"w": normal(2, 1, 6, 8)}),
    "Split": (node("Split", outputs="yz", axis=1, split=[1, 3]), {}),
    "Slice": (node("Slice", "xbea"), {"b": np.array([1]), "e": np.array([3]), "a": np.array([2])}),
    "Gather": (node("Gather", "xi", axis=3), {"i": np.array([0, 5, 5])}),
    "Reshape": (node("Reshape", "xs"), {"s": np.array([2, -1])}),
    "Transpose": (node("Transpose", perm=[0, 2, 3, 1]), {}),
    "Unsqueeze": (node("Unsqueeze", axes=[1]), {}),
    "TopK": (node("TopK", "xk", "vi"), {"k": np.array([3])}),
    "Less": (node("Less", "xw"), {"w": normal(4, 1, 1)}),
    "Cast": ([node("Cast", outputs="i", to=INT64), node("Cast", "i", to=FLOAT)], {}),
    "Resize": (
        node("Resize", "xrs", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
        {"r": np.zeros(0, np.float32), "s": np.array([1, 1, 1.5, 1.7], np.float32)},
    ),
    "Resize, linear": (
        node("Resize", "xrs", mode="linear"),
        {"r": np.zeros(0, np.float32), "s": np.array([1, 1, 2, 2], np.float32)},
    ),
}


@pytest.mark.parametrize("saturates", [True, False])
@pytest.mark.parametrize(
    "values", [X, NEGATIVE, LARGE, 1e-6 * X], ids=["usual", "negative", "large", "small"]
)
@pytest.mark.parametrize("name", OPERATORS)
def test_each_operator_of_the_guides_is_as_numpy_has_it(name, values, saturates):
    if "Resize" in name and values is LARGE and not saturates:
        pytest.skip("what lies between infinite numbers is not defined")
    nodes, weights = OPERATORS[name]
    opset = 10 if name == "Clip, old" else 11
    model = model_of(nodes if isinstance(nodes, list) else [nodes], weights, opset)
    check_nodes(model, {"x": values.astype(np.float32)}, Modes(saturates=saturates))


MIXED = "Add Sub Mul Max Div Relu Sigmoid Exp Neg Abs Conv ReduceMean"


def random_model(random, opset):
    """Return a model of some twenty nodes that read each other's outputs, all of one shape, and branch at times."""
    nodes, weights, there = [], {}, ["x"]
    for count in range(20):
        operator = random.choice(MIXED.split())
        first, second = random.choice(there, 2)
        made, inputs, attributes = f"n{count}", [first], {}
        if operator in ("Add", "Sub", "Mul", "Max", "Div"):
            weights[f"w{count}"] = normal(4, 1, 1, scale=random.choice([0.1, 10]))
            inputs.append(random.choice([second, f"w{count}"]))
        elif operator == "Conv":
            weights[f"w{count}"], attributes = (
                normal(4, 4, 3, 3, scale=random.choice([0.1, 3])),
                {"pads": [1, 1, 1, 1]},
            )
            inputs.append(f"w{count}")
        elif operator == "ReduceMean":
            attributes = {"axes": [2, 3]}
            nodes.append(node("ReduceMean", inputs, [f"{made}/mean"], **attributes))
            operator, inputs, attributes = "Mul", [second, f"{made}/mean"], {}
        nodes.append(node(operator, inputs, [made], **attributes))
        there.append(made)
    return model_of(nodes, weights, opset)


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs_are_as_numpy_has_them_node_by_node(seed):
    random = np.random.Generator(np.random.PCG64(seed))
    model = random_model(random, int(random.choice([11, 13, 17])))
    check_nodes(model, {"x": normal(*SHAPE, scale=4)}, Modes(saturates=bool(seed % 2)))


@pytest.mark.parametrize("seed", range(10))
def test_operators_that_stay_in_float32_are_not_rounded_and_all_others_are(seed):
    random = np.random.Generator(np.random.PCG64(100 + seed))
    model = random_model(random, 13)
    kept = ("Conv", "ReduceMean")
    modes = Modes(kept=frozenset(map(plain_type, ("Conv2D", "ReduceMeanD"))), saturates=bool(seed % 2))
    found = check_nodes(model, {"x": normal(*SHAPE)}, modes, kept)
    exact = {**found, **{tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}}
    for each in model.graph.node:
        if each.op_type in kept:
            wanted = run(_alone(each, exact), {name: exact[name] for name in each.input})
            np.testing.assert_array_equal(found[each.output[0]], wanted[each.output[0]])


def _alone(each, arrays):
    graph = helper.make_graph(
        [each],
        "one",
        [helper.make_tensor_value_info(name, FLOAT, arrays[name].shape) for name in each.input],
        [helper.make_empty_tensor_value_info(name) for name in each.output],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_rounding_is_numpys_and_saturates_as_documented():
    values = np.array(
        [np.nan, np.inf, -np.inf, 65519, 65520, 1e-8, 2.0**-24, 1 + 2.0**-11, 1 + 3 * 2.0**-11], np.float32
    )
    np.testing.assert_array_equal(
        rounded(values, saturates=True), [0, 65504, -65504, 65504, 65504, 0, 2.0**-24, 1, 1 + 2.0**-9]
    )
    np.testing.assert_array_equal(
        rounded(values, saturates=False)[:5], [np.nan, np.inf, -np.inf, 65504, np.inf]
    )


def test_a_sum_that_leaves_the_range_spoils_a_mean_and_a_root():
    ones = np.full((1, 1, 300, 300), 2, np.float32)
    mean = model_of([node("ReduceMean", axes=[2, 3])], shape=ones.shape)
    root = model_of([node("ReduceL2", axes=[2, 3])], shape=ones.shape)
    found = {
        kept: run(emulate(mean, Modes(kept=frozenset(kept))).proto, {"x": ones})["y"].item()
        for kept in ((), ("ReduceMean",))
    }
    assert found == {(): half(np.float32(65504 / 90000), saturates=True), ("ReduceMean",): 2}
    assert run(emulate(root, Modes()).proto, {"x": ones})["y"].item() == 255.875  # of 600: the root of 65504
    for model in (mean, root):
        assert np.isinf(run(emulate(model, Modes(saturates=False)).proto, {"x": ones})["y"]).all()


def test_what_a_converter_computes_itself_stays_in_float32():
    nodes = [
        node("Shape", outputs=["s"]),
        node("Cast", "s", ["f"], to=FLOAT),
        node("Mul", ["f", "w"], ["g"]),
        node("Add", ["x", "g"], ["y"]),
    ]
    model = model_of(nodes, {"w": np.float32(1000.3)}, shape=(1, 3, 3, 4))
    emulated = emulate(model, Modes())
    found = run(emulated.proto, {"x": np.zeros((1, 3, 3, 4), np.float32)}, ["g", "y"])
    np.testing.assert_array_equal(found["g"], np.float32([1, 3, 3, 4]) * np.float32(1000.3))
    np.testing.assert_array_equal(found["y"][0, 0, 0], half(found["g"], saturates=True))
    assert emulated.nodes == 1


def test_what_is_computed_of_selected_regions_stays_in_float32_up_to_a_product():
    limits = {"most": np.array([5]), "overlap": np.float32(0.5003), "least": np.float32(0.1)}
    nodes = [
        node("NonMaxSuppression", ["x", "scores", *limits], ["chosen"]),
        node("Cast", ["chosen"], ["places"], to=FLOAT),
        node("Mul", ["places", "w"], ["far"]),
        node("MatMul", ["far", "matrix"], ["y"]),
    ]
    weights = {**limits, "w": np.float32(1000.3), "matrix": normal(3, 2), "scores": np.abs(normal(1, 1, 6))}
    model = model_of(nodes, weights, shape=(1, 6, 4))
    boxes = np.sort(np.abs(normal(1, 6, 4)), axis=2)
    found = run(emulate(model, Modes()).proto, {"x": boxes}, ["places", "far", "y"])
    np.testing.assert_array_equal(found["far"], found["places"] * np.float32(1000.3))
    assert not np.array_equal(half(found["far"], saturates=True), found["far"])
    wanted = half(
        half(found["far"], saturates=True) @ half(weights["matrix"], saturates=True), saturates=True
    )
    check(found["y"], wanted, "y")


def test_the_model_itself_is_not_changed_and_weights_are_held_once():
    model = model_of([node("Conv", "xw")], {"w": normal(8, 4, 3, 3)})
    before = model.SerializeToString(deterministic=True)
    proto = emulate(model, Modes()).proto
    assert model.SerializeToString(deterministic=True) == before
    assert [tensor.dims for tensor in proto.graph.initializer if len(tensor.dims)] == [[8, 4, 3, 3]]
    assert proto.graph.input == model.graph.input
    assert proto.graph.output == model.graph.output


def test_numbers_that_are_no_float32_are_left_alone():
    nodes = [node("Mul", ["x", "w"], ["y"])]
    model = model_of(nodes, {"w": np.array([70001], np.int64)}, shape=(2, 3), dtype=INT64)
    assert emulate(model, Modes()).proto == model


def test_old_models_and_unknown_operators_are_refused():
    with refused("half precision is emulated from opset 9 on, found 8; export the model again."):
        emulate(model_of([node("Relu")], opset=8), Modes())
    strange = model_of([helper.make_node("Swish", ["x"], ["y"], name="n", domain="other")])
    for model, operator in ((strange, "Swish"), (model_of([node("PSROIPooling", name="n")]), "PSROIPooling")):
        with refused(
            f"the node 'n' ({operator}) is of no operator of ONNX's own: half precision is not emulated of it."
        ):
            emulate(model, Modes())


def test_what_other_operators_make_is_rounded_where_its_type_is_told():
    model = model_of([node("PSROIPooling", outputs="p"), node("Relu", "p")])
    nodes = emulate(model, Modes(saturates=False), {"p": FLOAT}).proto.graph.node
    assert [each.op_type for each in nodes] == ["Cast", "Cast", "PSROIPooling", "Cast", "Cast", "Relu"]
