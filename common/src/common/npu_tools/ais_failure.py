"""What a log of the vendor's `ais_infer.py`, `ais_bench` or `msit benchmark` says of a run that failed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from common.npu_tools.printouts import failures

_CODE = re.compile(r"^\s*(E[A-Z]?[0-9]{3,5}):", re.MULTILINE)
_RETURNED = re.compile(r"\b(?:ret|result)(?:\s*[=:]\s*|\s+is\s+)([0-9]{5,6})(?![0-9])")
_NOT_OPENED = re.compile(r"\bopen device ([0-9]{1,4}) failed")
_MISMATCH = re.compile(r"\barg([0-9]{1,4}) tensorsize: ?([0-9]{1,18}) filesize: ?([0-9]{1,18}) not match")
_NOT_SPLIT = re.compile(
    r"\barray shape:\s*\(([0-9, ]{1,200})\).*\bfiles_count_perbatch:\s*([0-9]{1,9}) ndata\.shape0:\s*([0-9]{1,9})"
)
_PADDED = "padding_infer_fake_file"


@dataclass(frozen=True)
class Failure:
    """What a log says of a run that failed: the lines, CANN's code and return value, the device that was not opened.

    `mismatch` is the number of an input, the bytes that the model takes for it and the bytes of the file. `not_split` is
    the shape of an output whose rows are not those of the files, files per batch, and rows; `padded` tells that a file was
    taken twice for want of bytes.
    """

    lines: tuple[str, ...]
    code: str | None
    returned: int | None
    device: int | None
    mismatch: tuple[int, int, int] | None
    not_split: tuple[tuple[int, ...], int, int] | None = None
    padded: bool = False


def failure(text: str) -> Failure | None:
    """Return what a log says of a failure, None where it says nothing of one."""
    told = failures(text)
    if not told:
        return None
    code, returned, device = (pattern.search(text) for pattern in (_CODE, _RETURNED, _NOT_OPENED))
    sizes, unsplit = _MISMATCH.search(text), _NOT_SPLIT.search("\n".join(told))
    return Failure(
        told,
        code[1] if code else None,
        int(returned[1]) if returned else None,
        int(device[1]) if device else None,
        (int(sizes[1]), int(sizes[2]), int(sizes[3])) if sizes else None,
        (_shape(unsplit[1]), int(unsplit[2]), int(unsplit[3])) if unsplit else None,
        any(_PADDED in line for line in told),
    )


def _shape(words: str) -> tuple[int, ...]:
    return tuple(int(word) for word in words.replace(",", " ").split() if len(word) < 10)
