"""The ONNX head alone, without a body, and maps to try it on."""

from __future__ import annotations

import functools

import numpy as np
import onnxruntime
from onnx import ModelProto, TensorProto, helper

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
    made = {
        "rpn_cls_score": logits.astype(np.float32),
        "rpn_bbox_pred": deltas.astype(np.float32),
        "cls_maps": generator.standard_normal((1, 1029, 84, 84), np.float32),
        "bbox_maps": generator.standard_normal((1, 4116, 84, 84), np.float32),
    }
    for values in made.values():
        values.flags.writeable = False
    return made


def feeds(form="guide", **changed):
    """What the head takes, with some maps changed."""
    found = {name: values.copy() for name, values in maps().items()} | changed
    return {**found, "im_info": IM_INFO} if form == "original" else found


def run(model, inputs):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, inputs)
