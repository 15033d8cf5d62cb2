"""Tiny networks with a node that overflows, cancels or vanishes in half precision, and their inputs."""

from __future__ import annotations

import numpy as np
import onnx

# By what is planted: the nodes of a network, its constants, and those nodes where both sides part, and that add.
GRAPHS = {
    "overflow": (
        "[first] a = Relu(image) [planted] b = Mul(a, much) [after] c = Mul(b, less) [last] y = Sigmoid(c)",
        "float much = {1e5}, float less = {1e-5}",
    ),
    "sum": (
        (
            "[first] a = Mul(image, many) [planted] b = ReduceSum<axes = [2, 3], keepdims = 1>(a) "
            "[after] c = Mul(b, less) [last] y = Add(image, c)"
        ),
        "float many = {9000.0}, float less = {1e-4}",
    ),
    "vanish": (
        (
            "[first] a = Relu(image) [planted] b = Mul(a, less) [after] c = Mul(b, much) [again] d = Mul(c, much) "
            "[last] y = Sigmoid(d)"
        ),
        "float much = {3e4}, float less = {1e-9}",
    ),
    "cancel": (
        "[left] a = Mul(image, much) [right] b = Mul(image, more) [planted] c = Sub(b, a) [last] y = Sigmoid(c)",
        "float much = {1000.0}, float more = {1000.5}",
    ),
    "offset": (
        "[first] a = Relu(image) [before] b = Add(a, much) [planted] c = Sub(b, much) [last] y = Sigmoid(c)",
        "float much = {4000.0}",
    ),
    "blown": (  # what is large only on the other side is rounded as large numbers are, by nodes that add nothing
        (
            "[planted] a = Add(image, much) [first] b = Sub(a, most) [cancels] c = Sub(b, most) "
            "[after] d = Mul(c, third) [last] y = Mul(d, third)"
        ),
        "float much = {1e5}, float most = {5e4}, float third = {0.3333}",
    ),
    "gate": (  # whose own spread is lost, which nothing behind it feels: so nothing is named
        "[first] a = Mul(image, less) [gate] b = Sigmoid(a) [after] y = Mul(image, b)",
        "float less = {1e-4}",
    ),
    "nothing": (
        "[first] a = Relu(image) [middle] b = Mul(a, much) [after] c = Sub(b, image) [last] y = Sigmoid(c)",
        "float much = {3.0}",
    ),
}


def write_planted(path, kind, batch="N"):
    """Write the network of a kind as an ONNX file: float32 of [batch,3,4,6] to the same."""
    nodes, constants = GRAPHS[kind]
    text = (
        f'<ir_version: 7, opset_import: ["" : 11]> planted (float[{batch},3,4,6] image) => (float[{batch},3,4,6] y) '
        f"<{constants}> {{ {nodes} }}"
    )
    model = onnx.parser.parse_model(text)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def write_inputs(folder, count=4, seed=3):
    """Write inputs of about 0 to 3, normally distributed; return their paths."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(seed)
    for place in range(count):
        random.normal(1.0, 1.0, (3, 4, 6)).astype(np.float32).tofile(folder / f"img_{place}.bin")
    return sorted(folder.iterdir())
