"""What the readers of tools' printouts share: text, lines without decoration, numbers, lines that tell of a failure."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator

NUMBER = r"[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,4})?(?![.,]?[0-9]|[eE][+-]?[0-9])"
_LONGEST = 4096  # characters of a line; a line of figures has some 400
_LINE = re.compile(r"[^\r\n]+")
# What a terminal is told: colours and the cursor, the window's title.
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00\x08\x7f\ufeff]"
)
_QUOTED = re.compile(r"^(?:> ?)+")  # as e-mails and Markdown quote
# "[ERROR] ...", trtexec's "[E] ...", a code of CANN at the beginning of a line, the words of Python and of the runtime.
_FAILURE = re.compile(
    r"\[ERROR\]|(?:^|\s)\[E\]\s|^&&&& FAILED|^\s*E[A-Z]?[0-9]{3,5}:|^\s*\w*(?:Error|Exception):"
    r"|\bfailed\b.*\bret(?:code|val)?\s*(?:=|:|is)|Segmentation fault|core dumped",
    re.IGNORECASE,
)
# A speed that is none, as C++, Python and JSON write it, or has a comma; "inf" is not the beginning of a word.
_UNUSABLE = re.compile(
    r"(?:throughput|\bmean\b)[^,]{0,200}?[:=(]\s?(?:[-+]?(?:nan|inf(?:inity)?)(?:samples|ms|(?![a-z]))|-[0-9]|[0-9.]{1,40},[0-9])",
    re.IGNORECASE,
)
# What every line has that a reader of a tool looks at, in small letters; logs of a build have a hundred others for each.
_TELLING = re.compile(
    rb"throughput|latency|comput|mean|median|m(?:in|ax) ?[:=]|percentile|performance|walltime|enqueue|&&&&|tensorrt version"
    rb"|streams|batch|shape|binding|timing trace|average o|unstable|may be bound|error|exception|failed|fault|dumped|\[e\]"
    rb"|e[a-z]?[0-9]{3,5}:|device|load model|--model|process file|inference|inputs? in|dataset number|energy|aclruntime"
    rb"|metric|_bs|pureinfer"
)


def decode(data: bytes) -> str:
    """Return the text of a printout: UTF-8, or UTF-16 as Windows writes it; what is neither becomes U+FFFD."""
    begin = data[:1000]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):  # Latin letters have a zero byte each
        zeros, others = begin[first::2], begin[1 - first :: 2]
        if zeros.count(0) * 2 > len(zeros) and not others.count(0):
            return data.decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def telling(text: str) -> str:
    """Return the lines of a printout that a reader may look at: those of any tool's figures, options and failures."""
    data = text.encode("utf-8", "replace").replace(b"\r", b"\n")
    small = data.lower()  # of bytes, so that no letter becomes two
    kept, end = [], 0
    while found := _TELLING.search(small, end):
        begin = data.rfind(b"\n", end, found.start()) + 1 or end
        end = data.find(b"\n", found.end())
        end = len(data) if end < 0 else end
        kept.append(data[begin : min(end, begin + 4 * _LONGEST)])  # a character has up to four bytes
    return b"\n".join(kept).decode("utf-8", "ignore")


def lines(text: str) -> Iterator[str]:
    """Yield a printout's lines that are not empty: no colours, no marks of a quotation, one space where there were several.

    What a progress bar overwrote is a line of its own. Wide characters of East Asian keyboards become the usual ones. What
    is longer than any line of figures is cut between two words.
    """
    for found in _LINE.finditer(text):
        begin, end = found.span()
        line = text[begin : min(end, begin + _LONGEST)]
        if not line.isascii():  # the wide comma stands between words, not in a number
            line = unicodedata.normalize("NFKC", line.replace("\uff0c", ", "))
        if "\x1b" in line or not line.isprintable():
            line = _ESCAPE.sub("", line)
        words = line.split()
        if end - begin > _LONGEST and words and words[-1][-1].isdigit():  # perhaps half a number
            words.pop()
        if words:
            yield _QUOTED.sub("", " ".join(words))


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


def unusable(text: str) -> str | None:
    """Return the first speed in a printout that is none: infinite, negative, not a number, or with a comma."""
    return next((found[0] for line in lines(text) if (found := _UNUSABLE.search(line))), None)
