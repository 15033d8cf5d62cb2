"""A network in half precision, computed slowly and plainly: node by node in numpy, always rounding what is read and made.

It shares nothing with `common.graph.float16` but what that says: no operator is known to move numbers only, no rounding is
left out, and reductions are added up in float64.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

NEAR = 2e-7
# By operator, the inputs that say how to compute.
PARAMETERS = {
    "BatchNormalization": (1, 2, 3, 4),
    "NonMaxSuppression": (3, 4),
    "Resize": (1, 2),
    "Dropout": (1,),
}


def half(values, *, saturates):
    """Round an array, if it is of float32."""
    if not isinstance(values, np.ndarray | np.generic) or values.dtype != np.float32:
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        short = np.asarray(values).astype(np.float16)
    if saturates:
        short = np.where(
            np.isnan(short), np.float16(0), np.clip(short, np.float16(-65504), np.float16(65504))
        )
    return short.astype(np.float32)


def alone(model, node, inputs):
    """Return a node's outputs in float32, as onnx's own reference has them."""
    types = {
        name: helper.np_dtype_to_tensor_dtype(np.asarray(inputs[name]).dtype) for name in node.input if name
    }
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in types.items()],
        [helper.make_empty_tensor_value_info(name) for name in node.output if name],
    )
    single = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    with np.errstate(all="ignore"):
        return ReferenceEvaluator(single).run(None, {name: np.asarray(inputs[name]) for name in types})


def made(model, node, inputs, *, saturates):
    """Return a node's outputs in half precision, of inputs in it."""

    def short(values):
        return half(values.astype(np.float32), saturates=saturates)

    first = inputs[node.input[0]] if node.input else None
    with np.errstate(all="ignore"):
        if node.op_type in ("ReduceMean", "GlobalAveragePool"):
            told = [tuple(a.ints) for a in node.attribute if a.name == "axes"]
            keeps = all(a.i for a in node.attribute if a.name == "keepdims")
            axes = told[0] if told else tuple(range(2, first.ndim))
            total = first.astype(np.float64).sum(axis=axes, keepdims=keeps)
            return [short(short(total) / np.float32(first.size / total.size))]
        if node.op_type == "ReduceL2":
            axes = next(tuple(a.ints) for a in node.attribute if a.name == "axes")
            keeps = all(a.i for a in node.attribute if a.name == "keepdims")
            return [short(np.sqrt(short(np.square(first.astype(np.float64)).sum(axis=axes, keepdims=keeps))))]
        if node.op_type == "BatchNormalization":  # onnx's reference has another sum of opset 9
            scale, bias, mean, variance = (
                inputs[name].astype(np.float64).reshape(-1, 1, 1) for name in node.input[1:]
            )
            return [short(scale * (first - mean) / np.sqrt(variance + 1e-5) + bias)]
    return [half(each, saturates=saturates) for each in alone(model, node, inputs)]


def names_of(model):
    """Return the names of what nodes make."""
    return [name for node in model.graph.node for name in node.output if name]


def expected(model, node, found, *, saturates):
    """Return what a node should make of what others made, `found` by name: arrays that may or may not be rounded."""
    inputs = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer} | found
    for place, name in enumerate(node.input):
        if name and place not in PARAMETERS.get(node.op_type, ()):
            inputs[name] = half(inputs[name], saturates=saturates)
    return made(model, node, inputs, saturates=saturates)


def check(found, wanted, what):
    """Compare two arrays in half precision: the same but for the last digit, which the order of adding decides about.

    Near 0, where such a step is 6e-8, kernels are off by more of them: ONNX Runtime's Sigmoid by 1e-7.
    """
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype), what
    if found.dtype != np.float32:
        assert np.array_equal(found, wanted), what
        return
    assert np.array_equal(half(found, saturates=False), found, equal_nan=True), (
        f"{what}: not in half precision"
    )
    assert np.array_equal(np.isnan(found), np.isnan(wanted)), what
    infinite = np.isinf(found) | np.isinf(wanted)
    with np.errstate(invalid="ignore"):
        counts = infinite | (np.abs(found - wanted) > NEAR)
    steps = np.abs(_steps(found) - _steps(wanted))[counts & ~np.isnan(found)]
    assert steps.max(initial=0) <= 1, f"{what}: {steps.max()} units in the last place"
    assert np.count_nonzero(steps) <= 2 + 0.02 * found.size, (
        f"{what}: {np.count_nonzero(steps)} of {found.size} differ"
    )


def _steps(values):
    """Return numbers in half precision as counts of their steps from 0."""
    bits = values.astype(np.float16).view(np.int16).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFF), bits)


def all_outputs(proto, names):
    """Return a model with these tensors as its outputs."""
    more = onnx.ModelProto()
    more.CopyFrom(proto)
    del more.graph.output[:]
    more.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    return more
