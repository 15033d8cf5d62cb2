"""Take padding with -infinity out of the graph.

Why: ATC stumbles over the constant, which half precision has no number for. It pads what is pooled, so that the border
can never be the maximum. MaxPool's own padding does the same without any number, and gives the same result to the bit.
The guide pads with 0 instead, which wins wherever all values in the window are negative: other logits come out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from common.errors import GuideError
from common.graph.constants import constants


def infinite_pads(proto: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the Pad nodes that pad with -infinity, in the graph's order."""
    known = constants(proto.graph)
    return [
        node
        for node in proto.graph.node
        if node.op_type == "Pad"
        and _attributes(node).get("mode", b"constant") == b"constant"
        and len(node.input) > 2
        and _is_minus_infinity(known.get(node.input[2]))
    ]


def pool_with_own_padding(proto: onnx.ModelProto) -> list[str]:
    """Give MaxPool the padding of the Pad before it and remove the Pad; return a line per node changed.

    The Pad must pad height and width by constants, before nothing but MaxPool; another use is an error that names it.
    """
    known, changes = constants(proto.graph), []
    for pad in infinite_pads(proto):
        pads = numpy_helper.to_array(known[pad.input[1]]) if pad.input[1] in known else None
        users = [node for node in proto.graph.node if pad.output[0] in node.input]
        wrong = [f"{node.name} ({node.op_type})" for node in users if node.op_type != "MaxPool"]
        if wrong or pad.output[0] in {output.name for output in proto.graph.output}:
            raise GuideError(f"node {pad.name!r}: expected MaxPool after it, found {wrong or 'an output'}.")
        if pads is None or pads.size != 8 or pads[[0, 1, 4, 5]].any() or (pads < 0).any():
            raise GuideError(
                f"node {pad.name!r}: expected constant padding of height and width, found {pads}."
            )
        for pool in users:
            own = _attributes(pool)
            if own.get("auto_pad", b"NOTSET") != b"NOTSET" or own.get("ceil_mode", 0):
                raise GuideError(f"node {pool.name!r}: expected pooling without auto_pad and ceil_mode.")
            if len(own["kernel_shape"]) != 2 or len(own.get("pads", [0, 0, 0, 0])) != 4:
                raise GuideError(f"node {pool.name!r}: expected pooling over height and width.")
            both = np.add(own.get("pads", [0, 0, 0, 0]), pads[[2, 3, 6, 7]]).tolist()
            if max(both) >= min(own["kernel_shape"]):
                raise GuideError(f"node {pool.name!r}: its window is not larger than the padding {both}.")
            kept = [attribute for attribute in pool.attribute if attribute.name != "pads"]
            del pool.attribute[:]
            pool.attribute.extend([*kept, helper.make_attribute("pads", both)])
            pool.input[0] = pad.input[0]
            changes.append(f"{pool.name}: pads {both}, {pad.name} removed")
        proto.graph.node.remove(pad)
    return changes


def pad_with_zero(proto: onnx.ModelProto) -> list[str]:
    """Let the Pad nodes pad with 0 in the type of their data, as the guide does; return a line per node changed."""
    known, changes = constants(proto.graph), []
    for pad in infinite_pads(proto):
        infinity = numpy_helper.to_array(known[pad.input[2]])
        zero = numpy_helper.from_array(np.zeros_like(infinity), f"{pad.name}/zero")
        proto.graph.initializer.append(zero)
        pad.input[2] = zero.name
        changes.append(f"{pad.name}: pads with 0")
    return changes


def _is_minus_infinity(tensor: onnx.TensorProto | None) -> bool:
    values = None if tensor is None else numpy_helper.to_array(tensor)
    return values is not None and values.dtype.kind == "f" and bool(np.isneginf(values).all())


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
