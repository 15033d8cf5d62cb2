"""How much memory a network takes in OpenVINO, which has no limit of its own."""

from __future__ import annotations

import math
from typing import Any

from common.errors import GuideError


def batch_memory(model: Any) -> int:
    """Return the bytes of a batch's values where most are needed at the same time, each of the largest size it can have.

    A network with a value that may be of any size is refused.
    """
    order = [node for node in model.get_ordered_ops() if node.get_type_name() != "Constant"]
    sizes = {node.get_name(): sum(map(_bytes, node.outputs())) for node in order}
    last = {value.get_node().get_name(): at for at, node in enumerate(order) for value in node.input_values()}
    ending: dict[int, list[str]] = {}
    for at, name in enumerate(sizes):
        ending.setdefault(last.get(name, at), []).append(name)
    held = most = 0
    for at, made in enumerate(sizes.values()):
        held += made
        most = max(most, held)
        held -= sum(sizes[name] for name in ending.get(at, []))
    return most


def _bytes(value: Any) -> int:
    node, shape = value.get_node(), value.get_partial_shape()
    most = [-1] if shape.rank.is_dynamic else [side.max_length for side in shape]
    # What a branch computes is not in this list of values.
    if min(most, default=0) < 0 or node.get_type_name() == "If":
        raise GuideError(
            f"the size of {node.get_friendly_name()!r} ({node.get_type_name()}) depends on what is computed, and nothing "
            "bounds it, as OpenVINO needs it here; take --backend onnxruntime, or export the model without."
        )
    size: int = value.get_element_type().size
    return math.prod(most) * size
