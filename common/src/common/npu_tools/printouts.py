"""What the readers of tools' printouts share: lines without decoration, numbers, lines that tell of a failure."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

NUMBER = r"[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,4})?(?![.,]?[0-9]|[eE][+-]?[0-9])"
_LONGEST = 4096  # characters of a line; a line of figures has some 300
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# "[ERROR] ...", trtexec's "[E] ...", a code of CANN at the beginning of a line, the words of Python and of the runtime.
_FAILURE = re.compile(
    r"\[ERROR\]|(?:^|\s)\[E\]\s|^&&&& FAILED|^\s*E[A-Z]?[0-9]{3,5}:|^\s*\w*(?:Error|Exception):"
    r"|\bfailed\b.*\bret(?:code|val)?\s*(?:=|:|is)|Segmentation fault|core dumped",
    re.IGNORECASE,
)


def lines(text: str) -> Iterator[str]:
    """Yield a printout's lines without colours; what a progress bar overwrote is a line of its own."""
    for line in re.split(r"[\r\n]+", text):
        yield _COLOUR.sub("", line[:_LONGEST]).strip()


def number(text: str) -> float | None:
    """Return a number of a printout, or None where it is none or not finite."""
    value = float(text) if re.fullmatch(f"-?{NUMBER}", text.strip()) else math.nan
    return value if math.isfinite(value) else None


def size(text: str) -> int | None:
    """Return a batch size of a printout (`16`, `16.0`), or None where it is no whole number of at least 1."""
    value = number(text)
    return int(value) if value is not None and 1 <= value < 1 << 31 and value == int(value) else None


def failures(text: str) -> tuple[str, ...]:
    """Return the lines that tell of a failure, in their order."""
    return tuple(line for line in lines(text) if _FAILURE.search(line))
