"""How the rehearsal's OM file begins, and the errors of one that is damaged.

Form: `common.rehearsal.OM_BEGIN`, a line of JSON (`Header`), and the network in ONNX as it is run, weights and AIPP in it.
Codes: AscendCL's headers, acl/error_codes/ge_error_codes.h.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from common import rehearsal
from common.errors import GuideError
from common.files import check_regular

PARAM_INVALID = 145000
MODEL_PATH_INVALID = 145002
MODEL_DATA_SIZE_INVALID = 145006
DYNAMIC_BATCH_SIZE_INVALID = 145013
INTERNAL_ERROR = 545000
NCHW, NHWC, ND = 0, 1, 2  # AscendCL's numbers of layouts
_HEADER = 2**20  # bytes; more than the line of any OM has


class OmError(GuideError):
    """What AscendCL says with a code: of an OM that cannot be loaded, or of inputs that are not the model's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Described(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input or output: dtype as numpy names it, a shape with -1 for a dynamic batch, 0 NCHW, 1 NHWC or 2 ND.

    `size_bytes` is that of a batch; of the largest where it is dynamic.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    size_bytes: int
    format: int


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The line of JSON: what the OM was converted with, what it takes and gives, and the ONNX behind it.

    `gears` are the batch sizes of --dynamic_batch_size, `sha256` is of all else in the line and of the ONNX. `half` says
    in words how half precision is emulated in it, nothing where it computes in float32.
    """

    soc: str
    options: dict[str, str]
    inputs: tuple[Described, ...]
    outputs: tuple[Described, ...]
    gears: tuple[int, ...]
    onnx_bytes: int
    sha256: str
    half: str = ""


def sealed(header: Header, source: bytes) -> Header:
    """Return the header with the hash of itself and of the network."""
    rest = msgspec.structs.replace(header, sha256="")
    digest = hashlib.sha256(msgspec.json.encode(rest))
    digest.update(source)
    return msgspec.structs.replace(header, sha256=digest.hexdigest())


def begin(header: Header) -> bytes:
    """Return what comes before the network."""
    return rehearsal.OM_BEGIN + msgspec.json.encode(header) + b"\n"


def read(path: Path, *, with_network: bool = True) -> tuple[Header, bytes]:
    """Read an OM, its network in ONNX only if asked for; anything else than a whole one is an OmError."""
    try:
        check_regular(path)
        file = path.open("rb")
    except (OSError, GuideError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise OmError(MODEL_PATH_INVALID, f"{path}: model file path is invalid: {reason}.") from None
    with file:
        if file.read(len(rehearsal.OM_BEGIN)) != rehearsal.OM_BEGIN:
            raise OmError(PARAM_INVALID, f"{path}: not an OM of a rehearsal; convert it with its atc.")
        line = file.readline(_HEADER)
        try:
            header = msgspec.json.decode(line, type=Header)
        except msgspec.DecodeError as error:
            raise OmError(INTERNAL_ERROR, f"{path}: a damaged OM, {error}; convert it again.") from None
        there = path.stat().st_size - file.tell()
        if there != header.onnx_bytes:
            raise OmError(
                MODEL_DATA_SIZE_INVALID,
                f"{path}: data size of model invalid: expected {header.onnx_bytes} bytes after its header, found "
                f"{there}; convert it again.",
            )
        source = file.read() if with_network else b""
    if with_network and sealed(header, source) != header:
        raise OmError(INTERNAL_ERROR, f"{path}: a damaged OM, its content has changed; convert it again.")
    return header, source
