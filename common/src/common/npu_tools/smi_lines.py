"""The lines of a printout of npu-smi as rows of cells, whatever it was saved, quoted or pasted with.

Around the table stand prompts, names of logs, marks of quotation; within it colours, tabs, borders drawn with other
characters, and lines that a narrow terminal has broken in two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MOST_PARTS = 4  # that a row is broken into
_LONGEST = 2000  # characters; a row has some hundred, and a line of another file may have millions
_COLOUR = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]|\x1b[()][A-Z0-9]|[\u200b-\u200f\ufeff]")
_ENDS = re.compile(r"\r\n|[\r\n\f\v\x85\u2028]|\\n")  # the last one as a table stands in JSON
_BARS = dict.fromkeys(map(ord, "\uff5c\u2502\u2503\u2551\u00a6\u2506\u250a"), "|")
_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: " ",
    0xA0: " ",
    0x202F: " ",
    0x2009: " ",
}
_PLAIN = str.maketrans({**_WIDE, **_BARS, 0x2103: "C", 0x2013: "-", 0x2014: "-"})
# What stands before a line: of a quotation, a comment, a log.
_PREFIX = re.compile(
    r"(?:[\s>#*;$%]|//|-{1,2}(?=\s)|\[[^\[\]|]{0,60}\](?=[\s:|+])|[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?Z?"
    r"|T(?=[0-9]{2}:)|(?:INFO|DEBUG|WARNING|WARN|ERROR|stdout|stderr):?(?=\s)|(?<=\s):(?=\s))+"
)
_BORDER = re.compile(r"[-+=|_:.\s\u2500-\u257f]*")
_PAIR = re.compile(r"(?<![\w.])([0-9]{1,9}|NA|N/A|-)\s{0,40}/\s{0,40}([0-9]{1,9}|NA|N/A|-)(?![\w.])")
_SPLIT_NAME = re.compile(r"\bAscend[ _-]{1,4}(?=[0-9])", re.IGNORECASE)


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of each line that may be a table's; a line without borders is one cell.

    In a cell, words have one blank between them, and `used / total` is one word.
    """
    for line in _whole(text):
        if _BORDER.fullmatch(line):
            continue
        bare = line.removeprefix("|").removesuffix("|") if "|" in line else line
        yield [_cell(cell) for cell in bare.split("|")]


def _cell(text: str) -> str:
    text = _PAIR.sub(lambda match: f"{match[1]}/{match[2]}", text)
    return " ".join(_SPLIT_NAME.sub("Ascend", text).split())


def _whole(text: str) -> Iterator[str]:
    """Yield the lines without what stands before them; rows that a narrow terminal has broken are put together."""
    parts: list[str] = []  # of a row whose right border has not come
    for line in _lines(text):
        if parts and not line.startswith(("|", "+")) and len(parts) < _MOST_PARTS:
            parts.append(line)
            if not line.rstrip().endswith("|"):
                continue
            parts = ["".join(parts)]
        elif line.startswith("|") and not line.rstrip().endswith("|"):
            yield from map(_bare, parts)
            parts = [line]
            continue
        else:
            parts.append(line)
        yield from map(_bare, parts)
        parts = []
    yield from map(_bare, parts)


def _lines(text: str) -> Iterator[str]:
    for line in _ENDS.split(_COLOUR.sub("", text)):
        yield line[:_LONGEST].translate(_PLAIN).replace("\\|", "|").replace("\t", "    ")


def _bare(line: str) -> str:
    prefix = _PREFIX.match(line)
    return line[prefix.end() if prefix and "|" in line else 0 :].strip()
