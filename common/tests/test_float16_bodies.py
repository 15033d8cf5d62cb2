"""Half precision in the bodies of conditions and loops, which read what is around them."""

from __future__ import annotations

import numpy as np
from onnx import helper

from common.graph.float16 import emulate
from common.graph.float16_modes import Modes
from tests.conftest import refused
from tests.slow_half import half
from tests.test_float16 import FLOAT, SHAPE, X, model_of, node, normal, run


def test_the_bodies_of_a_condition_are_rounded_too():
    then, other = (
        helper.make_graph(
            [node("Mul", ["x", factor], [f"out_{factor}"])],
            factor,
            [],
            [helper.make_empty_tensor_value_info(f"out_{factor}")],
        )
        for factor in ("a", "b")
    )
    nodes = [
        node("ReduceMax", outputs=["most"], keepdims=0),
        node("Less", ["most", "limit"], ["is_low"]),
        node("If", ["is_low"], ["y"], then_branch=then, else_branch=other),
    ]
    model = model_of(nodes, {"limit": np.float32(1), "a": np.float32(1.0003), "b": np.float32(7e4)})
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", FLOAT, SHAPE))
    emulated = emulate(model, Modes())
    assert emulated.half == ("y",)
    for values, factor in ((0.1 * np.tanh(X), 1.0003), (X, 65504)):
        found = run(emulated.proto, {"x": values.astype(np.float32)})["y"]
        wanted = half(
            half(values.astype(np.float32), saturates=True) * half(np.float32(factor), saturates=True),
            saturates=True,
        )
        np.testing.assert_array_equal(found, wanted)


def scanned(*inputs):
    """Return a model that adds the rows of x up, each sum times a factor before the next row."""
    outputs = [helper.make_tensor_value_info(name, FLOAT, [3]) for name in ("next", "copy")]
    nodes = [
        node("Mul", ["sum", "factor"], ["less"]),
        node("Add", ["less", "row"], ["next"]),
        node("Identity", ["next"], ["copy"]),
    ]
    body = helper.make_graph(nodes, "body", inputs, outputs)
    scan = node("Scan", ["first", "x"], ["last", "sums"], body=body, num_scan_inputs=1)
    weights = {"first": np.float32([0.1, 0.2, 0.3]), "factor": np.float32(1.0003)}
    return model_of([scan], weights, shape=(4, 3)), weights


def test_the_body_of_a_scan_is_rounded_too():
    model, weights = scanned(*(helper.make_tensor_value_info(name, FLOAT, [3]) for name in ("sum", "row")))
    emulated, rows = emulate(model, Modes()), normal(4, 3)
    assert emulated.half == ("last", "sums")
    found = run(emulated.proto, {"x": rows})
    last, factor, rows = (half(each, saturates=True) for each in (weights["first"], weights["factor"], rows))
    for row, sums in zip(rows, found["sums"], strict=True):
        last = half(half(last * factor, saturates=True) + row, saturates=True)
        np.testing.assert_array_equal(sums, last)
    np.testing.assert_array_equal(found["last"], last)


def test_a_body_that_says_no_types_is_refused():
    model, _ = scanned(*(helper.make_empty_tensor_value_info(name) for name in ("sum", "row")))
    with refused("the input 'sum' of a loop's or a condition's body says no type; export the model again."):
        emulate(model, Modes())
