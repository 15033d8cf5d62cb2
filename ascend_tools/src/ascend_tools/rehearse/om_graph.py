"""What ATC's options make of a network: sizes, AIPP, which outputs in which order, and their types.

Source: CANN documentation, "ATC" (atlasatc): --input_shape, --dynamic_batch_size, --insert_op_conf, --out_nodes,
--output_type, --input_fp16_nodes. Precision is not decided here: it is float32, or written into the graph afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from ascend_tools.rehearse.wide_integers import widen
from common.errors import GuideError, about
from common.graph.aipp_file import read_aipp
from common.graph.aipp_onnx import fold
from common.graph.outline import describe

Sides = tuple[int, ...]
_TYPES = {
    "FP32": TensorProto.FLOAT,
    "FP16": TensorProto.FLOAT16,
    "UINT8": TensorProto.UINT8,
    "INT8": TensorProto.INT8,
}
# Options of a meaning that is not rehearsed; none of the guides has them.
_OTHERS = ("dynamic_image_size", "dynamic_dims", "input_shape_range")


@dataclass(frozen=True)
class Prepared:
    """A network as its OM runs it, with the shapes of its inputs; -1 stands for a batch that one of `gears` fills.

    `outputs` are the names of the OM's outputs: node, index, and the value's name in the ONNX file.
    """

    proto: onnx.ModelProto
    shapes: dict[str, Sides]
    outputs: tuple[str, ...]
    gears: Sides


def prepare(proto: onnx.ModelProto, options: Mapping[str, str]) -> Prepared:
    """Return what an OM of these options holds, each by its name without `--`; changes `proto`."""
    widen(proto)
    unknown = [name for name in _OTHERS if options.get(name)]
    if unknown:
        raise GuideError(f"--{unknown[0]} is not rehearsed: a batch is fixed, or of --dynamic_batch_size.")
    gears = _numbers("dynamic_batch_size", options.get("dynamic_batch_size", ""))
    shapes = _shapes(proto, options.get("input_shape", ""), gears)
    if options.get("insert_op_conf"):
        proto, shapes = _with_aipp(proto, Path(options["insert_op_conf"]), shapes)
    _set_halves(proto, [name for name in options.get("input_fp16_nodes", "").split(";") if name])
    outputs = _select(proto, [name for name in options.get("out_nodes", "").split(";") if name])
    _set_types(proto, options.get("output_type", ""), outputs)
    return Prepared(proto, shapes, tuple(outputs), gears)


def _numbers(option: str, text: str) -> Sides:
    try:
        return tuple(int(word) for word in text.split(",") if word)
    except ValueError:
        raise GuideError(f"--{option}: expected numbers separated by commas, found {text!r}.") from None


def _shapes(proto: onnx.ModelProto, asked: str, gears: Sides) -> dict[str, Sides]:
    """Return the shape of each input, as --input_shape says and else as the file does."""
    wanted = {}
    for word in filter(None, asked.split(";")):
        name, _, sides = word.rpartition(":")
        wanted[name] = _numbers("input_shape", sides)
    shapes = {}
    for value in describe(proto).inputs:
        own = tuple(side if isinstance(side, int) else -1 for side in value.shape)
        shape = shapes[value.name] = wanted.pop(value.name, own)
        fixed = [at for at, side in enumerate(shape) if side < 1 and (at or not gears)]
        if len(shape) != len(own) or any(
            side not in (-1, there) for side, there in zip(own, shape, strict=True)
        ):
            raise GuideError(
                f"--input_shape: {value.name} has the shape {value.shape}, asked for is {shape}."
            )
        if fixed or (gears and shape[0] != -1):
            raise GuideError(
                f"--input_shape: expected all sides of {value.name}, and -1 for the batch where --dynamic_batch_size "
                f"is given; found {shape}."
            )
    if wanted:
        raise GuideError(
            f"--input_shape: the model has no input {', '.join(wanted)}, but {', '.join(shapes)}."
        )
    return shapes


def _with_aipp(
    proto: onnx.ModelProto, path: Path, shapes: dict[str, Sides]
) -> tuple[onnx.ModelProto, dict[str, Sides]]:
    """Return the network with AIPP in front of its picture, and the shapes that its inputs have then."""
    aipp = read_aipp(path)
    with about(path):
        folded = fold(proto, aipp)
    sides = {}
    for value in describe(folded).inputs:
        _, *own = (side if isinstance(side, int) else -1 for side in value.shape)
        sides[value.name] = (shapes[value.name][0], *own)
    return folded, sides


def _set_halves(proto: onnx.ModelProto, names: list[str]) -> None:
    """Let the inputs of these names be float16."""
    graph = proto.graph
    for name in names:
        value = next((value for value in graph.input if value.name == name), None)
        if value is None:
            raise GuideError(f"--input_fp16_nodes: the model has no input {name!r}.")
        for node in graph.node:
            node.input[:] = [f"{name}/float" if each == name else each for each in node.input]
        kind = value.type.tensor_type.elem_type
        graph.node.insert(0, helper.make_node("Cast", [name], [f"{name}/float"], f"{name}/float", to=kind))
        value.type.tensor_type.elem_type = TensorProto.FLOAT16


def _select(proto: onnx.ModelProto, asked: list[str]) -> list[str]:
    """Let the values that --out_nodes names be the outputs, else leave those of the file; return their OM's names."""
    graph = proto.graph
    makers = {name: f"{node.name}:{i}" for node in graph.node for i, name in enumerate(node.output) if name}
    if not asked:
        return [f"{makers.get(value.name, f'{value.name}:0')}:{value.name}" for value in graph.output]
    made = {maker: name for name, maker in makers.items()}
    known = {value.name: value for value in graph.output}
    lost = [name for name in asked if name not in made]
    if lost:
        raise GuideError(f"--out_nodes: the model has no {', '.join(lost)}.")
    chosen = [known.get(made[name]) or onnx.ValueInfoProto(name=made[name]) for name in asked]
    del graph.output[:]
    graph.output.extend(chosen)
    return [f"{name}:{made[name]}" for name in asked]


def _set_types(proto: onnx.ModelProto, asked: str, outputs: list[str]) -> None:
    """Convert the outputs as --output_type asks: all of floats to one type, or those of `node:index:type`."""
    graph = proto.graph
    wanted: dict[str, str] = {}
    for word in filter(None, asked.split(";")):
        node, _, kind = word.rpartition(":")
        if kind not in _TYPES:
            raise GuideError(f"--output_type: expected {', '.join(_TYPES)}, found {kind!r}.")
        for name in outputs:
            if not node or name.startswith(f"{node}:"):
                wanted[name] = kind
    for i, (name, value) in enumerate(zip(outputs, graph.output, strict=True)):
        asked_for = wanted.get(name)
        if asked_for and value.type.tensor_type.elem_type != _TYPES[asked_for]:
            cast = f"{value.name}/{asked_for}"
            graph.node.append(helper.make_node("Cast", [value.name], [cast], cast, to=_TYPES[asked_for]))
            graph.output[i].name = cast
            graph.output[i].type.tensor_type.elem_type = _TYPES[asked_for]
