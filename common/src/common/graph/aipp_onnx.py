"""What AIPP does, as nodes in front of an ONNX graph; the same arithmetic as `common.graph.aipp_numpy`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from common.errors import GuideError
from common.graph.aipp import (
    FORMATS,
    Aipp,
    Csc,
    Indices,
    chroma_samples,
    neighbours,
    order,
    window,
)
from common.graph.aipp_check import chip_inputs, fitted
from common.graph.outline import describe


def fold(proto: onnx.ModelProto, aipp: Aipp, *, channels_last: bool = False) -> onnx.ModelProto:
    """Return the model with the inputs that have AIPP replaced by those of the OM, uint8 NHWC.

    An input keeps its name, as it does in the OM; the arithmetic is float32. With `channels_last` it is done before the
    pixels are laid out by channel, and gives the same numbers. The operators are those of opset 8, and for padding of
    opset 11; each means the same in all later ones.
    """
    folded = onnx.ModelProto()
    folded.CopyFrom(proto)
    graph, outside = folded.graph, describe(folded)
    taken = chip_inputs(aipp, outside.inputs)
    for block in aipp.blocks:
        value, chip = outside.inputs[block.rank], taken[block.rank]
        if block.padding and outside.opset < 11:
            raise GuideError(f"AIPP with padding needs a model of opset 11 or later, found {outside.opset}.")
        nodes = _Nodes(graph, value.name)
        _rename(graph.node, value.name, nodes.result)
        _append(nodes, fitted(block, value.shape), channels_last=channels_last)
        for position, node in enumerate(nodes.nodes):
            graph.node.insert(position, node)
        info = next(info for info in graph.input if info.name == value.name)
        dims = [None if dim == "?" else dim for dim in chip.shape]
        info.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.UINT8, dims))
    return folded


def _rename(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    """Let all nodes that take a value take another, also those in the bodies of loops and conditions."""
    for node in nodes:
        for i, consumed in enumerate(node.input):
            if consumed == old:
                node.input[i] = new
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                _rename(body.node, old, new)


class _Nodes:
    """Nodes one after the other, with names of one input's own."""

    def __init__(self, graph: onnx.GraphProto, name: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.source, self.result = name, f"{name}/aipp"
        self._graph = graph

    def constant(self, values: NDArray[Any]) -> str:
        """Add an array to the graph and return its name."""
        name = f"{self.result}_{len(self._graph.initializer)}"
        self._graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def add(self, operator: str, *inputs: str | NDArray[Any], **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        output = f"{self.result}/{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, names, [output], output, **attributes))
        return output

    def end(self) -> None:
        """Let the last node give the result."""
        self.nodes[-1].output[0] = self.result


def _append(nodes: _Nodes, aipp: Aipp, *, channels_last: bool) -> None:
    """Add the steps of one block, of which all sizes are known that are needed."""
    pixels = _sampled(nodes, aipp)
    if aipp.csc:
        pixels = _converted(nodes, pixels, aipp.csc, aipp.channels)
    if not channels_last:
        pixels = nodes.add("Transpose", pixels, perm=[0, 3, 1, 2])
    pixels = nodes.add("Cast", pixels, to=TensorProto.FLOAT)
    if aipp.resize:
        rows, columns = window(aipp)
        first = 1 if channels_last else 2
        pixels = _between(nodes, pixels, len(rows), aipp.resize.height, first)
        pixels = _between(nodes, pixels, len(columns), aipp.resize.width, first + 1)
    count = aipp.channels
    shape = (1, 1, 1, count) if channels_last else (1, count, 1, 1)
    offset = np.array(aipp.mean[:count], np.float32) + np.array(aipp.min[:count], np.float32)
    scale = np.array(aipp.var_reci[:count], np.float32)
    pixels = nodes.add("Sub", pixels, offset.reshape(shape))
    if (scale != 1).any():
        pixels = nodes.add("Mul", pixels, scale.reshape(shape))
    if channels_last:
        pixels = nodes.add("Transpose", pixels, perm=[0, 3, 1, 2])
    if aipp.padding:
        pad = aipp.padding
        pads = np.array([0, 0, pad.top, pad.left, 0, 0, pad.bottom, pad.right], np.int64)
        nodes.add("Pad", pixels, pads, np.array(pad.value, np.float32))
    nodes.end()


def _sampled(nodes: _Nodes, aipp: Aipp) -> str:
    """Add the channels of the part that is left after cropping, NHWC."""
    samples = chroma_samples(aipp)
    if samples:
        channels = [_gathered(nodes, nodes.source, rows, columns, [byte]) for rows, columns, byte in samples]
        return nodes.add("Concat", *channels, axis=3)
    rows, columns = window(aipp) if aipp.crop else (None, None)
    channel_order = order(aipp)
    whole = channel_order == [*range(FORMATS[aipp.format].channels)]
    return _gathered(nodes, nodes.source, rows, columns, None if whole else channel_order)


def _gathered(
    nodes: _Nodes, pixels: str, rows: Indices | None, columns: Indices | None, channels: list[int] | None
) -> str:
    for axis, indices in ((3, channels), (1, rows), (2, columns)):
        if indices is not None:
            pixels = nodes.add("Gather", pixels, np.array(indices, np.int64), axis=axis)
    return pixels


def _converted(nodes: _Nodes, pixels: str, csc: Csc, count: int) -> str:
    """Add the conversion to the other colour space, in float64, in which all of it is exact."""
    matrix = np.array(csc.matrix[:count], np.float64).T / 256
    pixels = nodes.add("Cast", pixels, to=TensorProto.DOUBLE)
    pixels = nodes.add("Sub", pixels, np.array(csc.input_bias, np.float64))
    pixels = nodes.add("Floor", nodes.add("MatMul", pixels, matrix))
    pixels = nodes.add("Add", pixels, np.array(csc.output_bias[:count], np.float64))
    return nodes.add("Min", nodes.add("Max", pixels, np.array(0.0)), np.array(255.0))


def _between(nodes: _Nodes, pixels: str, inner: int, outer: int, axis: int) -> str:
    """Add the bilinear resizing of one side."""
    low, high, share = neighbours(inner, outer)
    first = nodes.add("Gather", pixels, low, axis=axis)
    step = nodes.add("Sub", nodes.add("Gather", pixels, high, axis=axis), first)
    by_axis = share.reshape([-1 if at == axis else 1 for at in range(4)])
    return nodes.add("Add", first, nodes.add("Mul", step, by_axis))
