"""The header of a growing .npy file: one of fixed length, so that another number of rows can be written over it.

numpy's format 1.0 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html), the bytes that `np.save` writes.
"""

from __future__ import annotations

import re
from pathlib import Path

from common.errors import GuideError

LENGTH = 128  # bytes, the features begin after them
_MAGIC = b"\x93NUMPY\x01\x00" + (LENGTH - 10).to_bytes(2, "little")
_HEADER = re.compile(
    rb"\{'descr': '<f4', 'fortran_order': False, 'shape': \((0|[1-9][0-9]{0,14}), ([1-9][0-9]{0,5})\), \} *\n"
)


def header(rows: int, size: int) -> bytes:
    """Return the 128 bytes before rows x size little-endian float32."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {size}), }}".encode("ascii")
    return _MAGIC + text.ljust(LENGTH - 11) + b"\n"


def parse(data: bytes, length: int, path: Path) -> tuple[int, int]:
    """Return rows and size that a header says.

    Args:
        data: the first LENGTH bytes of the file.
        length: how many bytes the file has; fewer than the header says are an error, more are rows on their way.
        path: what an error names.
    """
    found = _HEADER.fullmatch(data[len(_MAGIC) :])
    if len(data) != LENGTH or not data.startswith(_MAGIC) or not found:
        raise GuideError(f"{path}: not a .npy file of float32 rows as embed.py writes it, or damaged.")
    rows, size = int(found[1]), int(found[2])
    if length < LENGTH + 4 * size * rows:
        raise GuideError(
            f"{path}: damaged: {rows} rows of {size} float32 take {LENGTH + 4 * size * rows} bytes, found {length}. "
            "Copy it again, or remove it and make it again with embed.py."
        )
    return rows, size
