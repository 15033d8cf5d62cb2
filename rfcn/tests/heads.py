"""The ONNX head alone and behind a tiny body, and maps to try it on."""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper, numpy_helper

from common.graph.outline import describe
from rfcn_voc.standard_head import BODY, attach_head

FORMS = ("guide", "original")
IM_INFO = np.array([[512, 683, 1.3653333]], np.float32)


def head(form="guide", opset=11) -> ModelProto:
    """The head whose inputs are the body's four maps."""
    return ModelProto.FromString(_head(form, opset))


@functools.cache
def _head(form, opset):
    def value(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    body = [value(name, 1, channels, 6, 6) for name, channels in BODY.items()]
    graph = helper.make_graph([], "body", [value("im_data", 1, 3, 96, 96)], body)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)
    attach_head(model, published=form == "original")
    others = [entry for entry in model.graph.input if entry.name != "im_data"]
    del model.graph.input[:]
    model.graph.input.extend([value(name, 1, channels, 84, 84) for name, channels in BODY.items()])
    model.graph.input.extend(others)
    return model.SerializeToString()


@functools.cache
def maps(seed=0, spread=0.3):
    """The four maps by name: every anchor has a probability of its own, far enough from the others'."""
    generator = np.random.default_rng(seed)
    probability = generator.permutation(np.linspace(0.01, 0.99, 84 * 84 * 9)).reshape(1, 9, 84, 84)
    background = generator.normal(0, 1, probability.shape)
    logits = np.concatenate((background, background + np.log(probability / (1 - probability))), axis=1)
    deltas = generator.normal(0, spread, (1, 36, 84, 84))
    return {
        "rpn_cls_score": logits.astype(np.float32),
        "rpn_bbox_pred": deltas.astype(np.float32),
        "cls_maps": generator.standard_normal((1, 1029, 84, 84), np.float32),
        "bbox_maps": generator.standard_normal((1, 4116, 84, 84), np.float32),
    }


def feeds(form="guide", **changed):
    """What the head takes, with some maps changed; those of the proposals may be changed in place."""
    copies = {name: maps()[name].copy() for name in ("rpn_cls_score", "rpn_bbox_pred")}
    found = maps() | copies | changed
    return {**found, "im_info": IM_INFO} if form == "original" else found


def run(model, inputs):
    return _session(model.SerializeToString()).run(None, inputs)


@functools.lru_cache(8)
def _session(content):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def body_weights():
    """What a tiny body computes its four maps with, a convolution of one pixel in each cell."""
    generator = np.random.default_rng(0)
    return [generator.normal(0, 0.02, (c, 3, 1, 1)).astype(np.float32) for c in BODY.values()]


def tiny_body(opset=11) -> ModelProto:
    """A body that takes pictures of 96x96 pixels, as the exported one does before the head is attached."""

    def value(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    nodes = [
        helper.make_node("Conv", ["im_data", f"w_{name}"], [name], name, strides=[16, 16]) for name in BODY
    ]
    weights = [
        numpy_helper.from_array(values, f"w_{name}")
        for name, values in zip(BODY, body_weights(), strict=True)
    ]
    outputs = [value(name, 1, channels, 6, 6) for name, channels in BODY.items()]
    graph = helper.make_graph(nodes, "body", [value("im_data", 1, 3, 96, 96)], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)


def tiny_network(form="guide") -> ModelProto:
    """The tiny body with a head, in one of the forms."""
    model = tiny_body()
    attach_head(model, published=form == "original")
    return model


def check_adapted(before, after):
    """Check ATC's form of an exported network: its operators, no 64-bit integers, the outside and the weights as before."""
    were, found = (Counter(node.op_type for node in model.graph.node) for model in (before, after))
    assert (found["BatchMultiClassNMS"], found["PSROIPooling"]) == (1, 2)
    assert found["Conv"] == were["Conv"] >= len(BODY)
    assert not found.keys() & {"NonMaxSuppression", "MatMul"}
    kinds = {tensor.data_type for tensor in after.graph.initializer}
    kinds |= {a.t.data_type for node in after.graph.node for a in node.attribute if a.HasField("t")}
    assert TensorProto.INT64 not in kinds
    outside, expected = describe(after), describe(before)
    assert (outside.opset, outside.inputs, outside.outputs) == (
        expected.opset,
        expected.inputs,
        expected.outputs,
    )
    tensors, old = ({t.name: t for t in model.graph.initializer} for model in (after, before))
    weights = [name for name, tensor in old.items() if len(tensor.dims) == 4]
    assert len(weights) == found["Conv"]
    assert all(tensors[name] == old[name] for name in weights)
