"""Random networks in which operators are planted that half precision is too small for, and their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

SHAPE = (6, 8)
# Operators that half precision is good enough for, on numbers of about 1.
PLAIN = {
    "Abs": "Abs({x})",
    "LeakyRelu": "LeakyRelu({x})",
    "Mul": "Mul({x}, three)",
    "Neg": "Neg({x})",
    "Relu": "Relu({x})",
    "Sigmoid": "Sigmoid({x})",
    "Tanh": "Tanh({x})",
}


@dataclass(frozen=True)
class Planted:
    """What is planted on numbers from -1 to 1: the body, which nodes have to be kept, and which of ATC's types.

    A single node of a pair is not enough: the second reads what the first wrote. Of operator types the first is: in a mixed
    precision the second computes as what is before it.
    """

    body: str
    nodes: tuple[str, ...]
    type: str


PLANTED = {
    # Sums of up to 160000, which half precision does not have.
    "overflow": Planted(
        "[scale] {n}s = Sigmoid({x}) [{n}large] {n}l = Mul({n}s, much) "
        "[sum] {n}t = ReduceSum<axes = [2], keepdims = 1>({n}l) [log] {y} = Log({n}t)",
        ("sum", "log"),
        "ReduceSumD",
    ),
    # Beside 3000, half precision has even numbers only.
    "cancel": Planted("[add] {n}a = Add({x}, far) [sub] {y} = Sub({n}a, far)", ("add", "sub"), "Add"),
    # Squares of about 2^-24, the smallest number that it has.
    "vanish": Planted(
        "[tiny] {n}a = Mul({x}, little) [square] {n}b = Pow({n}a, two) [root] {y} = Sqrt({n}b)",
        ("square", "root"),
        "Pow",
    ),
    # Powers of up to 3 million.
    "explode": Planted(
        "[times] {n}a = Mul({x}, fifteen) [exp] {n}b = Exp({n}a) [div] {y} = Div({n}b, thousands)",
        ("exp", "div"),
        "Exp",
    ),
}
_CONSTANTS = {
    "three": 3.0,
    "much": 20000.0,
    "far": 3000.0,
    "little": 2.0**-12,
    "two": 2.0,
    "fifteen": 15.0,
    "thousands": 10000.0,
}


def write_model(path: Path, plain: Sequence[str], planted: Sequence[str]) -> Path:
    """Write a network: plain operators in a row, and beside it what is planted, each with an output of its own."""
    body, value = ["[first] v0 = MatMul(x, weights)", "[bounds] bounded = Tanh(v0)"], "v0"
    for k, name in enumerate(plain, 1):
        body.append(f"[plain{k}] v{k} = {PLAIN[name].format(x=value)}")
        value = f"v{k}"
    body.append(f"[last] plain = LeakyRelu({value})")
    for name in planted:
        body.append(f"[product_{name}] in_{name} = MatMul(bounded, weights)")
        body.append(PLANTED[name].body.format(n=name, x=f"in_{name}", y=f"out_{name}"))
    outputs = ["plain", *(f"out_{name}" for name in planted)]
    shapes = [f"float[N,6,{1 if name == 'out_overflow' else 8}] {name}" for name in outputs]
    numbers = ", ".join(map(str, np.eye(SHAPE[1], dtype=np.float32).reshape(-1).tolist()))
    constants = [f"float {name} = {{{number!r}}}" for name, number in _CONSTANTS.items()]
    text = (
        f'<ir_version: 6, opset_import: ["" : 11]> g (float[N,6,8] x) => ({", ".join(shapes)}) '
        f"<float[8,8] weights = {{{numbers}}}, {', '.join(constants)}> {{ {' '.join(body)} }}"
    )
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def write_inputs(folder: Path, count: int = 2) -> Path:
    """Write inputs of about 1 as .bin files."""
    folder.mkdir(exist_ok=True)
    for k in range(count):
        np.random.default_rng(k).standard_normal(SHAPE, np.float32).tofile(folder / f"{k}.bin")
    return folder
