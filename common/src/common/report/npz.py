"""Arrays in an .npz file that is plain: numbers, truth values and texts, no Python objects, nothing compressed."""

from __future__ import annotations

import io
import math
import struct
import sys
import tokenize
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.files import staged

Array = NDArray[Any]
_HEADER = 10_000  # characters at most that numpy's header of an array may have
# What reading a damaged file raises: zipfile's, numpy's and, from the header of an array, Python's own errors.
DAMAGED = (
    *(ValueError, TypeError, KeyError, EOFError, OverflowError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, struct.error, tokenize.TokenError, SyntaxError),
)


def write(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays by name; the same arrays are the same bytes."""
    with staged(path) as temporary, zipfile.ZipFile(temporary, "w") as file:
        for name, array in arrays.items():
            # Not by numpy's own savez, which takes objects, too.
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), (1, 0), allow_pickle=False)


def arrays_of(content: bytes) -> dict[str, Array]:
    """Return the arrays in the bytes of a file; what is damaged or not plain raises one of `DAMAGED`.

    The memory follows the file's size: an array is taken from the bytes that are there, whatever its header says.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = file.infolist()
        if len({member.filename for member in members}) < len(members):
            raise ValueError("names an array twice")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("holds a compressed array")
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("holds less than it announces")
        return {member.filename.removesuffix(".npy"): _array(file.read(member)) for member in members}


def _array(content: bytes) -> Array:
    """Return the array of the bytes of an .npy file."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"expected version 1.0 of numpy's format, found {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER)
    rest = memoryview(content)[stream.tell() :]
    if dtype.kind not in "biufU" or not dtype.itemsize or fortran:
        raise ValueError(f"expected plain values in C order, found {dtype}{' in another order' * fortran}")
    if math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError(f"an array of {shape} {dtype} has {len(rest)} bytes")
    if dtype.kind == "b" and np.frombuffer(rest, np.uint8).max(initial=0) > 1:
        raise ValueError("a truth value is neither 0 nor 1")
    if dtype.kind == "U":
        characters = np.frombuffer(rest, np.dtype(np.uint32).newbyteorder(dtype.byteorder))
        if characters.max(initial=0) > sys.maxunicode:
            raise ValueError("a text holds what is no character")
    return np.frombuffer(rest, dtype).reshape(shape) if len(rest) else np.empty(shape, dtype)
