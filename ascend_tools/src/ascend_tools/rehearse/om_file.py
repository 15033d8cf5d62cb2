"""The rehearsal's OM file: written as ATC's options say, and run by ONNX Runtime on the CPU; form in `om_header`.

Where the rehearsal's settings ask for it, the rounding of half precision is written into its network.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from ascend_tools.rehearse import settings
from ascend_tools.rehearse.om_graph import Prepared, prepare
from ascend_tools.rehearse.om_header import (
    DYNAMIC_BATCH_SIZE_INVALID,
    INTERNAL_ERROR,
    NCHW,
    ND,
    NHWC,
    PARAM_INVALID,
    Described,
    Header,
    OmError,
    begin,
    read,
    sealed,
)
from ascend_tools.rehearse.pieces import Network
from ascend_tools.rehearse.vendor_operators import types_of as vendors_types
from ascend_tools.rehearse.vendor_operators import unknown_operators
from common.cli import counted, shorten
from common.errors import GuideError, about
from common.files import staged
from common.graph import outline
from common.graph.bounds import check_ends, check_tensors, check_values
from common.graph.external import load_weights
from common.graph.float16 import emulate
from common.graph.float16_modes import modes as modes_of

Array = NDArray[Any]


class UnknownOperatorsError(GuideError):
    """A network with nodes that ATC has no parser for; `operators` as `vendor_operators.unknown_operators` has them."""

    def __init__(self, path: Path, operators: Mapping[str, str]) -> None:
        listed = shorten([f"{name} ({kind})" for name, kind in operators.items()])
        super().__init__(
            f"{path}: {counted(len(operators), 'node')} of operators that ATC does not know: {listed}."
        )
        self.operators = operators


def write(path: Path, onnx_path: Path, options: Mapping[str, str]) -> Header:
    """Write the OM that ATC makes of an ONNX file with these options, each by its name without `--`.

    What stands in for the compiler is that ONNX Runtime opens the network. What it refuses is an error, and so are
    nodes of unknown operators, see `UnknownOperatorsError`.
    """
    proto = outline.load(onnx_path, check=False)
    load_weights(onnx_path, proto)
    _check(onnx_path, proto)
    if unknown := unknown_operators(proto):
        raise UnknownOperatorsError(onnx_path, unknown)
    prepared, half = prepare(proto, options), ""
    del proto
    if settings.is_half():
        modes = modes_of(options, options.get("soc_version", ""))
        with about(onnx_path):
            emulated = emulate(prepared.proto, modes, vendors_types(prepared.proto))
        prepared, half = dataclasses.replace(prepared, proto=emulated.proto), f"{modes}; {emulated}"
    network = Network(prepared.proto, onnx_path, optimise=not half)
    try:
        for value, (dtype, _) in zip(prepared.proto.graph.output, network.described(), strict=True):
            # --out_nodes may name an inner one, of a type not on record
            value.type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        inputs, outputs = _described(prepared, network, options)
    finally:
        network.close()
    source = prepared.proto.SerializeToString()
    header = Header(
        soc=options.get("soc_version", ""),
        # A file's name may be no UTF-8, which JSON has to be.
        options={name: value.encode(errors="backslashreplace").decode() for name, value in options.items()},
        inputs=inputs,
        outputs=outputs,
        gears=prepared.gears,
        onnx_bytes=len(source),
        sha256="",
        half=half,
    )
    header = sealed(header, source)
    with staged(path) as temporary, temporary.open("wb") as file:
        file.write(begin(header))
        file.write(source)
    return header


def _check(path: Path, proto: onnx.ModelProto) -> None:
    check_ends(path, proto.graph)
    check_tensors(path, proto)
    check_values(path, proto)


def _described(
    prepared: Prepared, network: Network, options: Mapping[str, str]
) -> tuple[tuple[Described, ...], tuple[Described, ...]]:
    """Return what the OM takes and gives, from the shapes of its inputs."""
    values = outline.describe(prepared.proto).inputs
    kept = ND if options.get("input_format") == "ND" else NCHW
    inputs = [
        (
            value.name,
            value.dtype,
            prepared.shapes[value.name],
            NHWC if options.get("insert_op_conf") else kept,
        )
        for value in values
    ]
    first = inputs[0][2][0]
    batch = prepared.gears[0] if prepared.gears else first
    names = {value.shape[0] for value in values}
    shapes: list[tuple[int, ...] | None] = [
        _known(first, names, shape) if shape else None for _, shape in network.described()
    ]
    if None in shapes:
        feeds = {name: np.zeros(_sized(shape, batch), dtype) for name, dtype, shape, _ in inputs}
        made = (array.shape for array in network.run(feeds))
        shapes = [(first, *shape[1:]) if shape[:1] == (batch,) else shape for shape in made]
    outputs = [
        (name, dtype, shape or (), ND)
        for name, (dtype, _), shape in zip(prepared.outputs, network.described(), shapes, strict=True)
    ]
    most = max(prepared.gears, default=1)

    def describe(each: list[tuple[str, str, tuple[int, ...], int]]) -> tuple[Described, ...]:
        return tuple(
            Described(name, dtype, shape, math.prod(_sized(shape, most)) * np.dtype(dtype).itemsize, layout)
            for name, dtype, shape, layout in each
        )

    return describe(inputs), describe(outputs)


def _known(batch: int, names: set[int | str], shape: tuple[int | str | None, ...]) -> tuple[int, ...] | None:
    """Return an output's shape with the batch in it; None where a side is not known before a run."""
    sides = tuple(batch if side in names and isinstance(side, str) else side for side in shape)
    return sides if all(isinstance(side, int) for side in sides) else None  # type: ignore[return-value]


def _sized(shape: tuple[int, ...], batch: int) -> tuple[int, ...]:
    return tuple(batch if side == -1 else side for side in shape)


class RehearsedOm:
    """An open OM, see `open_om`."""

    def __init__(self, path: Path) -> None:
        header, source = read(path)
        try:
            proto = onnx.load_model_from_string(source)
        except DecodeError:
            raise OmError(INTERNAL_ERROR, f"{path}: a damaged OM; convert it again.") from None
        del source
        _check(path, proto)
        self.header = header
        self.inputs, self.outputs = header.inputs, header.outputs
        self.soc, self.gears = header.soc, header.gears
        self._names = [value.name for value in outline.describe(proto).inputs]
        self._network = Network(proto, path, optimise=not header.half)

    @property
    def batch_size(self) -> int | None:
        """The batch that the OM was converted for; None where it has gears."""
        return None if self.gears else self.inputs[0].shape[0]

    def run(self, arrays: Sequence[Array], batch_size: int | None = None) -> list[Array]:
        """Run one batch: an array for each input, taken by its bytes, to new arrays in the order of `outputs`.

        Neither shape nor dtype of the arrays count, as in AscendCL: only how many bytes there are. An OM with gears
        needs to be told which.
        """
        if self.gears and batch_size not in self.gears:
            raise OmError(
                DYNAMIC_BATCH_SIZE_INVALID,
                f"dynamic batch size {batch_size} invalid: the OM has {self.gears}.",
            )
        if len(arrays) != len(self.inputs):
            raise OmError(PARAM_INVALID, f"expected {len(self.inputs)} inputs, found {len(arrays)}.")
        feeds = {}
        for name, value, array in zip(self._names, self.inputs, arrays, strict=True):
            shape, dtype = _sized(value.shape, batch_size or -1), np.dtype(value.dtype)
            size = math.prod(shape) * dtype.itemsize
            if array.nbytes != size:
                raise OmError(
                    PARAM_INVALID,
                    f"input {value.name!r}: expected {size} bytes, {dtype} of the shape {shape}, found {array.nbytes}.",
                )
            flat = np.require(array, requirements=["C", "A"]).reshape(-1)
            feeds[name] = flat.view(np.uint8).view(dtype).reshape(shape)
        found = self._network.run(feeds)
        for value, each in zip(self.outputs, found, strict=True):
            if each.shape != _sized(value.shape, batch_size or -1):
                raise OmError(
                    INTERNAL_ERROR, f"output {value.name!r} has the shape {each.shape}, not {value.shape}."
                )
        return found

    def close(self) -> None:
        """Release the network and its memory."""
        self._network.close()


def open_om(path: Path) -> RehearsedOm:
    """Open an OM; one that is missing, damaged or no rehearsal's is an OmError with AscendCL's code."""
    return RehearsedOm(path)
