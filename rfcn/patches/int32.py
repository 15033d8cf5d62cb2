"""Turn 64-bit integers into 32-bit ones.

Why: ATC of the guide's time takes no int64. Numbers beyond int32, which exporters write for "to the end", become its
limits. The result is for ATC alone: ONNX wants int64 for the shapes of Reshape and the number of TopK.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

_LIMITS = np.iinfo(np.int32)


def use_int32(proto: ModelProto) -> Counter[str]:
    """Change the model in place; return how many of each kind were changed."""
    graph = proto.graph
    changed: Counter[str] = Counter()
    for tensor in graph.initializer:
        changed["initializers"] += _narrow(tensor)
    nodes: list[NodeProto] = []
    for node in graph.node:
        nodes.append(node)
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                changed[f"{node.op_type} nodes"] += _narrow(attribute.t)
            elif node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.INT64:
                attribute.i = TensorProto.INT32
                changed["Cast nodes"] += 1
        if node.op_type == "Shape":  # gives int64 whatever its input is
            shape, wide = node.output[0], f"{node.output[0]}_int64"
            node.output[0] = wide
            name = f"expand_after_{node.name}"
            nodes.append(helper.make_node("Cast", [wide], [shape], name, to=TensorProto.INT32))
            changed["Cast nodes after Shape"] += 1
    copies = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    # What is on record of types within the graph is no longer true.
    del graph.value_info[:]
    return +changed


def _narrow(tensor: TensorProto) -> bool:
    """Make an int64 tensor int32; tell whether it was one."""
    if tensor.data_type != TensorProto.INT64:
        return False
    values = numpy_helper.to_array(tensor).clip(_LIMITS.min, _LIMITS.max).astype(np.int32)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return True
