"""What an ONNX file says about itself: inputs, outputs, the nodes that make them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from common.errors import GuideError

Shape = tuple[int | str, ...]


@dataclass(frozen=True)
class Value:
    """A graph input or output: `dtype` as numpy names it, a dynamic dimension as its name."""

    name: str
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class Graph:
    """The outside of an ONNX graph; `producers` maps each output to `node name:output index`."""

    opset: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    producers: dict[str, str]


def load(path: Path) -> onnx.ModelProto:
    """Read an ONNX file; anything else is an error."""
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except FileNotFoundError:
        raise GuideError(f"{path}: no such ONNX file. Make it with pth2onnx.py.") from None
    except (onnx.checker.ValidationError, ValueError) as error:
        raise GuideError(f"{path}: not a valid ONNX file: {error}") from None
    except DecodeError:
        raise GuideError(f"{path}: not an ONNX file, or a truncated one; export it again.") from None
    return model


def describe(model: onnx.ModelProto) -> Graph:
    """Return the outside of a loaded ONNX graph."""
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    nodes = {name: f"{node.name}:{i}" for node in graph.node for i, name in enumerate(node.output)}
    return Graph(
        opset=next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
        inputs=tuple(_value(value) for value in graph.input if value.name not in weights),
        outputs=tuple(_value(value) for value in graph.output),
        producers={value.name: nodes[value.name] for value in graph.output if value.name in nodes},
    )


def _value(value: onnx.ValueInfoProto) -> Value:
    tensor = value.type.tensor_type
    dims = tensor.shape.dim
    shape = tuple(d.dim_value if d.dim_value > 0 else d.dim_param or "?" for d in dims)
    return Value(value.name, str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)), shape)
