"""Rounding to half precision (IEEE binary16): of arrays, and as nodes of an ONNX graph."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from common.graph.float16_operators import MEANS, ROOTS, is_standard, stays_a_number, stays_in_range

LARGEST = 65504.0  # of half precision
_CLIP_INPUTS = 11  # the operator set from which Clip's ends are inputs


def rounded(values: NDArray[np.float32], *, saturates: bool) -> NDArray[np.float32]:
    """Return float32 numbers as half precision has them: to the nearest, to the even of two, infinite from 65520 on.

    With `saturates` infinity becomes 65504 and NaN 0.
    """
    with np.errstate(over="ignore"):
        half = values.astype(np.float16).astype(np.float32)
    return np.nan_to_num(half, nan=0.0, posinf=LARGEST, neginf=-LARGEST) if saturates else half


def _all_names(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (value.name for value in (*graph.input, *graph.output, *graph.initializer))
    for node in graph.node:
        yield from (*node.input, *node.output)
        for body in bodies(node):
            yield from _all_names(body)


def bodies(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Yield the graphs that a node runs."""
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield attribute.g


class Rounder:
    """Makes the nodes that round tensors of a model, all of whose graphs share it.

    Args:
        graph: the outermost one.
        opset: the version of ONNX's own operators, 9 at least.
        saturates: see `rounded`.
    """

    def __init__(self, graph: onnx.GraphProto, opset: int, *, saturates: bool) -> None:
        self.saturates = saturates
        self._opset = opset
        self._taken = set(_all_names(graph))
        self._constants: dict[float, TensorProto] = {}

    def new(self, name: str) -> str:
        """Return a name like this one that no tensor has."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def constants(self) -> list[TensorProto]:
        """Return the constants that the nodes read, which the outermost graph has to hold."""
        return [*self._constants.values()]

    def _constant(self, value: float) -> str:
        if value not in self._constants:
            name = self.new(f"float16/{value:g}")
            self._constants[value] = helper.make_tensor(name, TensorProto.FLOAT, [], [value])
        return self._constants[value].name

    def nodes(self, name: str, result: str, maker: onnx.NodeProto | None = None) -> Iterator[onnx.NodeProto]:
        """Yield the nodes that round a tensor, which `maker` made of numbers in half precision, if that is known."""
        if self.saturates and not (maker and stays_a_number(maker)):
            is_nan, number = self.new(f"{result}/nan"), self.new(f"{result}/number")
            yield helper.make_node("IsNaN", [name], [is_nan])
            yield helper.make_node("Where", [is_nan, self._constant(0.0), name], [number])
            name = number
        if self.saturates and not (maker and stays_in_range(maker)):
            inside = self.new(f"{result}/inside")
            if self._opset >= _CLIP_INPUTS:
                ends = [self._constant(-LARGEST), self._constant(LARGEST)]
                yield helper.make_node("Clip", [name, *ends], [inside])
            else:
                yield helper.make_node("Clip", [name], [inside], min=-LARGEST, max=LARGEST)
            name = inside
        short = self.new(f"{result}/half")
        yield helper.make_node("Cast", [name], [short], to=TensorProto.FLOAT16)
        yield helper.make_node("Cast", [short], [result], to=TensorProto.FLOAT)

    def after(self, node: onnx.NodeProto, name: str, result: str) -> Iterator[onnx.NodeProto]:
        """Yield the nodes that round an output of a node, and before that what a reduction added up."""
        if not is_standard(node) or node.op_type not in MEANS | ROOTS:
            yield from self.nodes(name, result, node)
            return
        total, half, back = (
            self.new(f"{name}/sum"),
            self.new(f"{name}/sum/float16"),
            self.new(f"{name}/again"),
        )
        if node.op_type in ROOTS:
            yield helper.make_node("Mul", [name, name], [total])
            yield from self.nodes(total, half, node)
            yield helper.make_node("Sqrt", [half], [back])
        else:
            count = self.new(f"{name}/count")
            yield from self._count(node.input[0], name, count)
            yield helper.make_node("Mul", [name, count], [total])
            yield from self.nodes(total, half, node)
            yield helper.make_node("Div", [half, count], [back])
        yield from self.nodes(back, result, None)

    def _count(self, whole: str, reduced: str, count: str) -> Iterator[onnx.NodeProto]:
        """Yield the nodes that tell how many numbers are reduced to one; float64, whose 0/0 is no error, is exact."""
        sizes = []
        for name in (whole, reduced):
            size, exact = self.new(f"{count}/size"), self.new(f"{count}/exact")
            yield helper.make_node("Size", [name], [size])
            yield helper.make_node("Cast", [size], [exact], to=TensorProto.DOUBLE)
            sizes.append(exact)
        ratio = self.new(f"{count}/ratio")
        yield helper.make_node("Div", sizes, [ratio])
        yield helper.make_node("Cast", [ratio], [count], to=TensorProto.FLOAT)
