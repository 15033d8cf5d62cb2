"""AIPP, the image preprocessing that ATC builds into an OM file, given the same meaning in an ONNX graph.

Source: CANN documentation, "AIPP" (atlasatc): the file is protobuf text, `aipp_op { key : value ... }`; an
input with AIPP is uint8 NHWC, and each channel c, in the stored order after an optional swap, becomes
(value - mean_chn_c - min_chn_c) * var_reci_chn_c. "RGB888" means three interleaved bytes, in whatever order
the network was trained on.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from common.errors import GuideError, about
from common.facts import Facts, read_facts
from common.files import read_text

Value = TypeVar("Value")
_WORD = re.compile(r'"[^"]*"|[{}:;,]|[^\s{}:;,"]+|"', re.ASCII)
_KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NUMBER = re.compile(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
# The least and the largest value of the channels' keys, as documented; the NPU holds them in half precision.
_RANGES = {"mean_chn": (0, 255), "min_chn": (0, 255), "var_reci_chn": (-65504, 65504)}
_LONGEST = 4096  # pixels, the largest src_image_size
# Steps that this reader does not implement: accepted only where they do nothing.
_NEUTRAL = {
    "csc_switch": "false",
    "crop": "false",
    "resize": "false",
    "padding": "false",
    "ax_swap_switch": "false",
    "related_input_rank": "0",
}


@dataclass(frozen=True)
class Aipp:
    """A static RGB888_U8 block. Triples are per channel; `size` is (width, height) or None if not stated."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    min: tuple[float, float, float] = (0.0, 0.0, 0.0)
    var_reci: tuple[float, float, float] = (1.0, 1.0, 1.0)
    swap_rb: bool = False
    size: tuple[int, int] | None = None


def read_aipp(path: Path) -> Aipp:
    """Read an AIPP file; a key given twice, an unknown key and a step not implemented here are errors."""
    try:
        words = _WORD.findall(re.sub(r"#.*", "", read_text(path)))
    except FileNotFoundError:
        raise GuideError(f"{path}: no such AIPP file.") from None
    head = 3 if words[1:2] == [":"] else 2
    if words[:head] not in (["aipp_op", "{"], ["aipp_op", ":", "{"]) or words[-1] != "}":
        raise GuideError(f"{path}: expected exactly one block `aipp_op {{ key : value ... }}`.")
    body = [word for word in words[head:-1] if word not in ";,"]
    values: dict[str, str] = {}
    for at in range(0, len(body), 3):
        key, *rest = body[at : at + 3]
        if not _KEY.fullmatch(key) or rest[:1] != [":"] or len(rest) < 2 or rest[1] in "{}:":
            raise GuideError(f"{path}: expected `key : value`, found {key[:80]!r}.")
        if key in values:
            raise GuideError(f"{path}: {key} is given twice, which ATC refuses.")
        values[key] = rest[1]
    return _build(path, values)


def named_aipp(facts: Facts, folder: Path) -> Aipp | None:
    """Return the AIPP file that a model's ATC options name, relative to its directory, if they name one."""
    name = facts.atc.options.get("insert_op_conf")
    return read_aipp(folder / str(name)) if name else None


def add_aipp(arguments: argparse.ArgumentParser) -> None:
    """Add `--aipp F`, see `chosen_aipp`."""
    arguments.add_argument(
        "--aipp",
        metavar="F",
        help="The AIPP file whose meaning is applied to uint8 inputs, or `none` for inputs in the model's own "
        "type (default: what model.toml in the working directory names, if there is one).",
    )


def chosen_aipp(choice: str | None) -> Aipp | None:
    """Return the AIPP block named on the command line or by the working directory's model.toml, if any."""
    if choice is not None:
        return None if choice == "none" else read_aipp(Path(choice))
    here = Path()
    return named_aipp(read_facts(here), here) if (here / "model.toml").is_file() else None


def _build(path: Path, values: dict[str, str]) -> Aipp:
    for key, expected in (("aipp_mode", "static"), ("input_format", "RGB888_U8")):
        if values.pop(key, None) != expected:
            raise GuideError(f"{path}: expected `{key} : {expected}`; nothing else is supported here.")
    with about(path):
        aipp = Aipp(
            mean=_channels(values, "mean_chn", 0),
            min=_channels(values, "min_chn", 0),
            var_reci=_channels(values, "var_reci_chn", 1),
            swap_rb=_take(
                values, "rbuv_swap_switch", {"false": False, "true": True}.__getitem__, default=False
            ),
            size=_size(values),
        )
    for key, value in values.items():
        if value != _NEUTRAL.get(key):
            only = f"; only `{_NEUTRAL[key]}` is" if key in _NEUTRAL else ""
            raise GuideError(f"{path}: `{key} : {value}` is not supported here{only}.")
    return aipp


def _take(values: dict[str, str], key: str, convert: Callable[[str], Value], default: Value) -> Value:
    """Remove a key and return its value, converted."""
    text = values.pop(key, None)
    try:
        return default if text is None else convert(text)
    except (KeyError, ValueError):
        raise GuideError(f"{key} cannot have the value {text!r}.") from None


def _channels(values: dict[str, str], group: str, default: float) -> tuple[float, float, float]:
    def convert(text: str) -> float:
        least, most = _RANGES[group]
        if not _NUMBER.fullmatch(text) or not least <= float(text) <= most:
            raise ValueError
        return float(text)

    first, second, third = (_take(values, f"{group}_{c}", convert, default) for c in range(3))
    return first, second, third


def _size(values: dict[str, str]) -> tuple[int, int] | None:
    def convert(text: str) -> int:
        if not re.fullmatch("[0-9]{1,4}", text) or int(text) > _LONGEST:
            raise ValueError
        return int(text)

    width, height = (_take(values, f"src_image_size_{side}", convert, 0) for side in "wh")
    if bool(width) != bool(height):
        raise GuideError("src_image_size_w and src_image_size_h: expected both, found one.")
    return (width, height) if width else None


def apply(aipp: Aipp, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what AIPP makes of a batch: NxHxWx3 uint8 to Nx3xHxW float32, with the arithmetic of `fold`."""
    order = [2, 1, 0] if aipp.swap_rb else [0, 1, 2]
    offset = np.array(aipp.mean, np.float32) + np.array(aipp.min, np.float32)
    values = (images[..., order].astype(np.float32) - offset) * np.array(aipp.var_reci, np.float32)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def fold(proto: onnx.ModelProto, aipp: Aipp) -> onnx.ModelProto:
    """Return the model with its one NCHW float32 image input replaced by the NHWC uint8 input of the OM.

    The input keeps its name, as it does in the OM; the arithmetic is float32.
    """
    folded = onnx.ModelProto()
    folded.CopyFrom(proto)
    graph = folded.graph
    weights = {tensor.name for tensor in graph.initializer}
    images = [value for value in graph.input if value.name not in weights]
    if len(images) != 1:
        raise GuideError(f"AIPP needs a model with one input, found {len(images)}.")
    dims = images[0].type.tensor_type.shape.dim
    if len(dims) != 4:
        raise GuideError(f"AIPP needs an input of 4 dimensions, {images[0].name!r} has {len(dims)}.")
    name = images[0].name
    batch, channels, height, width = dims
    if channels.dim_value != 3:
        raise GuideError(f"AIPP RGB888_U8 needs 3 channels, found {channels.dim_value} in input {name!r}.")
    _check_size(aipp, name, (width.dim_value, height.dim_value))
    for node in graph.node:
        for i, consumed in enumerate(node.input):
            if consumed == name:
                node.input[i] = f"{name}/aipp"

    offset = np.array(aipp.mean, np.float32) + np.array(aipp.min, np.float32)
    scale = np.array(aipp.var_reci, np.float32)
    source = name
    nodes = []
    if aipp.swap_rb:
        graph.initializer.append(numpy_helper.from_array(np.array([2, 1, 0]), f"{name}/aipp_order"))
        nodes.append(
            helper.make_node("Gather", [source, f"{name}/aipp_order"], [f"{name}/aipp_swap"], axis=3)
        )
        source = f"{name}/aipp_swap"
    for constant, values in (("offset", offset), ("scale", scale)):
        tensor = numpy_helper.from_array(values.reshape(1, 3, 1, 1), f"{name}/aipp_{constant}")
        graph.initializer.append(tensor)
    nodes += [
        helper.make_node("Transpose", [source], [f"{name}/aipp_nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("Cast", [f"{name}/aipp_nchw"], [f"{name}/aipp_float"], to=TensorProto.FLOAT),
        helper.make_node("Sub", [f"{name}/aipp_float", f"{name}/aipp_offset"], [f"{name}/aipp_centred"]),
        helper.make_node("Mul", [f"{name}/aipp_centred", f"{name}/aipp_scale"], [f"{name}/aipp"]),
    ]
    for position, node in enumerate(nodes):
        graph.node.insert(position, node)
    shape = [d.dim_param or d.dim_value for d in (batch, height, width)] + [3]
    images[0].CopyFrom(helper.make_tensor_value_info(name, TensorProto.UINT8, shape))
    return folded


def _check_size(aipp: Aipp, name: str, found: tuple[int, int]) -> None:
    """Refuse a picture size, where the file states one, that is not the input's; 0 is a dynamic side."""
    if aipp.size and all(found) and aipp.size != found:
        raise GuideError(
            f"AIPP src_image_size is {aipp.size}, input {name!r} has the width and height {found}."
        )
