"""OM files on NPUs, by ais_bench or pyACL: arrays are checked here, since those libraries check neither type nor size."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common import rehearsal
from common.backends.base import Array, Backend
from common.backends.om_process import OmProcess
from common.backends.om_session import DYNAMIC, Described
from common.backends.several import Several
from common.errors import GuideError, about
from common.files import check_regular, file_hash
from common.graph.aipp import Aipp
from common.graph.outline import Value
from common.npu_tools import om_record
from common.npu_tools.om_record import OmRecord

if TYPE_CHECKING:
    from typing_extensions import Self

Names = tuple[Sequence[str], Sequence[str]]  # of inputs and outputs
_LIBRARIES = ("ais_bench", "acl")
# What ATC computes in with each value of --precision_mode and --precision_mode_v2; float16 where neither is said.
_PRECISIONS = {
    **dict.fromkeys(("force_fp32", "cube_fp16in_fp32out", "must_keep_origin_dtype", "origin"), "float32"),
    **dict.fromkeys(("force_fp16", "fp16", "allow_fp32_to_fp16"), "float16"),
    **dict.fromkeys(
        ("allow_mix_precision", "allow_mix_precision_fp16", "mixed_float16"), "float16 and float32"
    ),
    **dict.fromkeys(
        ("allow_mix_precision_bf16", "allow_fp32_to_bf16", "mixed_bfloat16"), "bfloat16 and float32"
    ),
}


def check_there(path: Path | None = None) -> None:
    """Refuse to go on where neither library for OM files is installed; of a rehearsal's file, say what that needs."""
    if not any(importlib.util.find_spec(name) for name in _LIBRARIES):
        if path and path.is_file():
            om_record.refuse_rehearsed(path)
        raise GuideError(
            f"{sys.executable}: has neither ais_bench nor acl, one of which runs OM files. Source CANN's set_env.sh, "
            "which brings acl (source /usr/local/Ascend/ascend-toolkit/set_env.sh), or install the wheels aclruntime and "
            "ais_bench from Ascend's own repository, gitee.com/ascend/tools, not from PyPI."
        )


def open_om(path: Path, devices: Sequence[int], aipp: Aipp | None = None, names: Names = ((), ())) -> Backend:
    """Open an OM file on each of the devices, see `base.models_of`; it is first compared with its record.

    `aipp` is the preprocessing that is built into it, if it is known. `names` are what its inputs and outputs are called
    here, in its own order: ATC gives outputs names of its own.
    """
    check_there(path)
    try:
        check_regular(path)
    except FileNotFoundError:
        raise GuideError(f"{path}: no such OM file. Make it with python -m common.atc.") from None
    record = om_record.check(path)  # which has compared the file's hash, where there is a record
    identity = f"{record.sha256 if record else file_hash(path)} {aipp}"
    if rehearsal.is_rehearsed_om(path):
        print(rehearsal.NOTE, flush=True)
    with ExitStack() as stack:
        # All begin before the first is waited for.
        processes = [stack.enter_context(closing(OmProcess(path, device))) for device in devices]
        models = [Om(path, process, identity, record, names) for process in processes]
        stack.pop_all()
    return models[0] if len(models) == 1 else Several(models)


def precision_of(record: OmRecord | None) -> str:
    """Return in what ATC had an OM file compute, as its record says; a rehearsal's OM is float32 whatever it says."""
    if record is None:
        return "unknown precision"
    if record.rehearsal:
        return "float32"
    return precision_by(record.options)


def precision_by(options: Mapping[str, object]) -> str:
    """Return in what ATC has an OM file compute with these options of it."""
    mode = str(options.get("precision_mode_v2") or options.get("precision_mode") or "force_fp16")
    return _PRECISIONS.get(mode, mode)


def check_precision(path: Path, asked: str | None) -> None:
    """Refuse a precision, unless it is None, that an OM file was not made with."""
    if asked is None:
        return
    record = om_record.read(path)
    own = rehearsal.precision(path) if record and record.rehearsal else precision_of(record)
    if record is None:
        raise GuideError(
            f"{path}: has no record beside it that says what it computes in; leave --precision out."
        )
    if asked != own:
        raise GuideError(
            f"{path}: computes in {own}, as it was made to, not in {asked}. Leave --precision out, or make the OM file anew "
            "with python -m common.atc --option precision_mode=VALUE, whose values CANN's documentation of ATC lists."
        )


class Om:
    """An OM file that is open on a device; half precision of its inputs and outputs is float32 here."""

    def __init__(
        self, path: Path, process: OmProcess, identity: str, record: OmRecord | None, names: Names
    ) -> None:
        self._process, self.identity = process, identity
        with about(path):
            found = process.opened()
        rehearsed = rehearsal.is_rehearsed_om(path)
        self.name = f"om by {found.library}{f' {rehearsal.SUFFIX}' if rehearsed else ''}"
        self.precision = rehearsal.precision(path) if rehearsed else precision_of(record)
        self._described = found.inputs
        self._dynamic = any(value.shape[:1] == (DYNAMIC,) for value in found.inputs)
        told = record.options.get("dynamic_batch_size", "") if record else ""
        self._gears = tuple(sorted(found.gears or map(int, filter(None, told.split(",")))))
        self.inputs, self.outputs = (
            tuple(self._value(value, name) for value, name in zip(values, _called(values, own), strict=True))
            for values, own in zip((found.inputs, found.outputs), names, strict=True)
        )
        if any(value.shape[1:].count("N") for value in self.outputs):
            raise GuideError(f"{path}: its outputs change their shape; convert it with fixed shapes.")

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch, see `Backend.run`."""
        count = len(feeds[self.inputs[0].name])
        batch_size = self._gear(count) if self._dynamic else None
        arrays = [
            _checked(feeds[value.name], value, described, batch_size)
            for value, described in zip(self.inputs, self._described, strict=True)
        ]
        outputs = self._process.run(arrays, batch_size)
        # Cut where it was filled up alone: an output whose batch is not first is then seen by its shape.
        return outputs if batch_size is None else [output[:count] for output in outputs]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        """Unload the model and release the device."""
        self._process.close()

    def _value(self, described: Described, name: str) -> Value:
        """Return what a described input or output is here."""
        shape = tuple("N" if side == DYNAMIC else side for side in described.shape)
        if self._dynamic:  # outputs are described at the largest batch
            shape = ("N", *shape[1:])
        return Value(name, "float32" if described.dtype == "float16" else described.dtype, shape)

    def _gear(self, count: int) -> int:
        """Return the batch size that is set for so many rows: the least of those that the model was built for."""
        if not self._gears:
            return count
        gear = next((gear for gear in self._gears if gear >= count), None)
        if gear is None:
            sizes = ", ".join(map(str, self._gears))
            raise GuideError(
                f"the model was built for batches of {sizes}; {count} is more. Lower --batch-size."
            )
        return gear


def _called(values: Sequence[Described], names: Sequence[str]) -> Sequence[str]:
    """Return the names of a caller that knows at least as many as there are, else the model's own."""
    return names[: len(values)] if len(names) >= len(values) else [value.name for value in values]


def _checked(array: Array, value: Value, described: Described, batch_size: int | None) -> Array:
    """Return an array of just the bytes that the model reads, without gaps; anything else is an error."""
    if array.dtype != value.dtype:
        raise GuideError(f"expected the input {value.name!r} as {value.dtype}, found {array.dtype}.")
    if batch_size and len(array) < batch_size:
        array = np.concatenate((array, np.repeat(array[-1:], batch_size - len(array), axis=0)))
    shape = (batch_size, *described.shape[1:]) if batch_size else described.shape
    found = np.ascontiguousarray(array, described.dtype)
    if (
        found.shape != shape
        or (found.nbytes != described.size and not batch_size)
        or found.nbytes > described.size
    ):
        raise GuideError(
            f"expected the input {value.name!r} of shape {shape} and {described.size} bytes, found {found.shape} and "
            f"{found.nbytes} bytes."
        )
    return found
