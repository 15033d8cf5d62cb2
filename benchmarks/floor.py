"""What a network costs at least on this machine: its operations, and how many of them a second the CPU does at most."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx

from common.backends.openvino import library
from common.errors import GuideError

SIDE = (
    4096  # of the square matrices, large enough that their product is limited by arithmetic and not by memory
)
_TYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}  # OpenVINO's names


def operations(path: Path, batch_size: int) -> int:
    """Return the operations of a batch: twice the multiply-adds of all convolutions and matrix products.

    All else, of which the five networks have some per cent, counts as nothing. A size that is not known before the
    graph is run is an error.
    """
    proto = onnx.load(path)
    shapes: dict[str, list[int]] = {tensor.name: list(tensor.dims) for tensor in proto.graph.initializer}
    for value in proto.graph.input:
        if value.name not in shapes:
            value.type.tensor_type.shape.dim[0].dim_value = batch_size
    inferred = onnx.shape_inference.infer_shapes(proto, data_prop=True).graph
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        sides = value.type.tensor_type.shape.dim
        if value.name not in shapes and all(side.HasField("dim_value") for side in sides):
            shapes[value.name] = [side.dim_value for side in sides]
    return 2 * sum(_multiply_adds(path, node, shapes) for node in inferred.node)


def _multiply_adds(path: Path, node: onnx.NodeProto, shapes: Mapping[str, list[int]]) -> int:
    try:
        if node.op_type == "Conv":  # each output takes a whole filter
            return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[1]][1:])
        if node.op_type == "ConvTranspose":  # each input does
            return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])
        if node.op_type in ("Gemm", "MatMul"):
            transposed = any(each.name == "transA" and each.i for each in node.attribute)
            return math.prod(shapes[node.output[0]]) * shapes[node.input[0]][0 if transposed else -1]
    except KeyError as error:
        raise GuideError(
            f"{path}: the operations of {node.name!r} cannot be counted, since the size of {error} is not known."
        ) from None
    return 0


def peak(precision: str, seconds: float, side: int = SIDE) -> tuple[float, str]:
    """Return the most operations a second of a large matrix product on all cores, and which library did them.

    The product is that of numpy, of torch and of OpenVINO, as far as they are installed and have the precision; each
    is repeated for so many seconds, twice at least, and the fastest call counts.
    """
    best, by = 0.0, ""
    for name, make in {"numpy": _numpy, "torch": _torch, "OpenVINO": _openvino}.items():
        product = make(precision, side)
        if product is None:
            continue
        product()
        begin, least, count = time.perf_counter(), math.inf, 0
        while count < 2 or time.perf_counter() - begin < seconds:
            start = time.perf_counter()
            product()
            least, count = min(least, time.perf_counter() - start), count + 1
        if 2 * side**3 / least > best:
            best, by = 2 * side**3 / least, name
    if not by:
        raise GuideError(
            f"neither torch nor OpenVINO is installed, which the peak in {precision} is measured with."
        )
    return best, by


def _numpy(precision: str, side: int) -> Callable[[], object] | None:
    if precision != "float32":
        return None
    one = np.ones((side, side), np.float32)
    return lambda: one @ one


def _torch(precision: str, side: int) -> Callable[[], object] | None:
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    one = torch.ones((side, side), dtype=getattr(torch, precision))
    return lambda: one @ one


def _openvino(precision: str, side: int) -> Callable[[], object] | None:
    if importlib.util.find_spec("openvino") is None:
        return None
    openvino = library()
    import openvino.opset13 as operators

    first = operators.parameter([side, side], np.float32)
    weights = operators.constant(np.ones((side, side), np.float32))
    model = openvino.Model([operators.matmul(first, weights, False, False)], [first])
    settings = {"INFERENCE_PRECISION_HINT": _TYPES[precision], "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    feeds = {0: np.ones((side, side), np.float32)}
    return lambda: request.infer(feeds, share_inputs=True, share_outputs=True)
