"""What is changed in OpenVINO's form of a network before it is compiled: where it would be inexact, or slow."""

from __future__ import annotations

from typing import Any

_PRODUCTS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
# What OpenVINO marks a division with that is not to become a product with the reciprocal.
_EXACT_DIVISION = "nonconvertable_divide_0"


def keep_divisions(model: Any) -> None:
    """Have divisions computed as they are written, and not as products with a reciprocal, which round otherwise.

    A quotient that is a whole number may then be just above or below it, and R-FCN pools one region in 15 from other cells.
    """
    for node in model.get_ops():
        if node.get_type_name() == "Divide":
            node.get_rt_info()[_EXACT_DIVISION] = True


def keep_places(model: Any) -> None:
    """Have what is computed of regions that a network selects stay in float32: in shorter ones a place is off by pixels.

    OpenVINO leaves in float32 what lies between the last convolution or product and an output. So what such an operator
    takes of the regions is made an output, too, which nobody reads.
    """
    places: set[str] = set()
    ends = []
    for node in model.get_ordered_ops():
        found = [value for value in node.input_values() if value.get_node().get_name() in places]
        if node.get_type_name() in _PRODUCTS:
            ends += found
        elif found or node.get_type_name() == "NonMaxSuppression":
            places.add(node.get_name())
    if ends:
        model.add_outputs(ends)


def add_in_place_of_stacking(package: Any, model: Any) -> None:
    """Have maps that are stacked to be summed added one by one, in the same order.

    OpenVINO stacks element by element: in EfficientDet-D0's pyramid that takes a fifth of the whole network's time.

    Args:
        package: openvino.
        model: the network, which is changed.
    """
    operations = package.opset13
    for node in model.get_ordered_ops():
        if node.get_type_name() != "ReduceSum":
            continue
        stack, axes = (value.get_node() for value in node.input_values())
        if stack.get_type_name() != "Concat" or axes.get_type_name() != "Constant":
            continue
        rank = len(stack.get_output_partial_shape(0))
        axis = stack.get_axis() % rank
        slices = stack.input_values()
        if [each % rank for each in axes.data.flatten().tolist()] != [axis]:
            continue
        if any(value.get_partial_shape()[axis] != package.Dimension(1) for value in slices):
            continue
        total = slices[0]
        for value in slices[1:]:
            total = operations.add(total, value).output(0)
        if not node.get_keep_dims():
            total = operations.squeeze(total, axes.output(0)).output(0)
        total.set_names(node.output(0).get_names())
        for place in node.output(0).get_target_inputs():
            place.replace_source_output(total)
