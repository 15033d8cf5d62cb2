"""What an ONNX file says about itself: inputs, outputs, the nodes that make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from common.errors import GuideError
from common.files import read_bytes
from common.graph.bounds import check_ends, check_tensors, check_values
from common.graph.external import load_weights, weight_files

Shape = tuple[int | str, ...]
Sides = tuple[int, ...]
_STANDARD = ("", "ai.onnx")  # what the domain of ONNX's own operators is called


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


def load(path: Path, *, check: bool = True) -> onnx.ModelProto:
    """Read an ONNX file with its weights; anything else, and one that promises more than it holds, is an error.

    Without `check` it may be one for ATC, with operators of its own; weights in files beside it are then not read.
    """
    try:
        proto = onnx.load_model_from_string(read_bytes(path))
        if check:
            load_weights(path, proto)
            onnx.checker.check_model(proto)
    except FileNotFoundError:
        raise GuideError(f"{path}: no such ONNX file. Make it as the README's section 3 says.") from None
    except (onnx.checker.ValidationError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        hint = (
            " Is it the one for ATC? Give the file it was made from." if "No Op registered" in reason else ""
        )
        raise GuideError(f"{path}: not a valid ONNX file: {reason}.{hint}") from None
    except DecodeError:
        proto = onnx.ModelProto()
    domains = [entry.domain for entry in proto.opset_import]  # what is read last
    if not any(domain in _STANDARD for domain in domains) or not all(isinstance(d, str) for d in domains):
        raise GuideError(f"{path}: not an ONNX file, or a truncated one; export it again.")
    check_ends(path, proto.graph)
    if check:
        check_tensors(path, proto)
        check_values(path, proto)
    else:
        weight_files(path, proto)
    return proto


def describe(proto: onnx.ModelProto) -> Graph:
    """Return the outside of a loaded ONNX graph."""
    graph = proto.graph
    weights = {tensor.name for tensor in graph.initializer}
    nodes = {name: f"{node.name}:{i}" for node in graph.node for i, name in enumerate(node.output)}
    return Graph(
        opset=next(entry.version for entry in proto.opset_import if entry.domain in _STANDARD),
        inputs=tuple(_value(value) for value in graph.input if value.name not in weights),
        outputs=tuple(_value(value) for value in graph.output),
        producers={value.name: nodes[value.name] for value in graph.output if value.name in nodes},
    )


def _value(value: onnx.ValueInfoProto) -> Value:
    tensor = value.type.tensor_type
    dims = tensor.shape.dim
    shape = tuple(d.dim_value if d.dim_value > 0 else d.dim_param or "?" for d in dims)
    return Value(value.name, str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)), shape)


def item_shape(value: Value) -> Sides:
    """Return the shape of one item of an input, without the batch; all of it has to be fixed."""
    sides = tuple(dim for dim in value.shape[1:] if isinstance(dim, int))
    if len(sides) != len(value.shape) - 1:
        raise GuideError(
            f"the model's input shape {tuple(value.shape)} is dynamic beyond the batch; export it fixed."
        )
    return sides


def only_input(inputs: Sequence[Value], path: Path) -> Value:
    """Return the one input of the model in a file; another number of inputs is an error."""
    if len(inputs) != 1:
        raise GuideError(f"{path}: expected a model with one input, found {len(inputs)}.")
    return inputs[0]
