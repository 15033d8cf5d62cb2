"""The columns of npu-smi's tables: which ones a header names, and what a row has in them.

A cell holds several columns, and not each of them in each row, so a word goes to the next column whose form it has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

Row = tuple[tuple[str, ...], ...]  # the columns in each of a row's cells
FIRST: Row = (("npu", "name"), ("health",), ("power", "temp", "pages"))
SECOND: Row = (("chip", "device"), ("bus",), ("aicore", "memory", "hbm"))
_NO_VALUE = frozenset({"", "-", "--", "NA", "N/A", "NONE", "NULL"})

# A column's name in a header, without its unit; longer names come first.
_HEADS = {
    "process id in container": "pid_inside",
    "process id": "pid",
    "process name": "process",
    "process memory": "process_memory",
    "chip logic id": "logic",
    "logic id": "logic",
    "npu id": "npu",
    "slot id": "slot",
    "chip id": "chip",
    "chip name": "name",
    "hugepages-usage": "pages",
    "hugepages": "pages",
    "npu util": "aicore",
    "memory-usage": "memory",
    "hbm-usage": "hbm",
    "device id": "device",
    "phy-id": "physical",
    "bus-id": "bus",
    "health": "health",
    "aicore": "aicore",
    "device": "device",
    "power": "power",
    "temp": "temp",
    "name": "name",
    "chip": "chip",
    "npu": "npu",
}
_HEAD = re.compile(rf"(?:{'|'.join(_HEADS)})(?![\w-])(?:\([^()]{{0,9}}\))?|\S+")
# What a header has one of: with less, a line is words about npu-smi.
_ANCHORS = [
    *({"npu", each} for each in ("health", "pid", "logic")),
    *({"chip", each} for each in ("bus", "aicore", "memory")),
    {"npu", "chip", "name"},
    {"bus", "aicore"},
]
_UNIT = re.compile(r"\([^()]{0,9}\)")
_TELLING = frozenset({"npu", "chip", "health", "bus", "pid"})  # columns by which rows are told apart
_OTHER = "?"  # a column that is not known
_NUMBER = re.compile(r"[0-9]{1,9}")
_AMOUNT = re.compile(r"[~<]?([0-9]{1,9}(?:\.[0-9]{1,9})?)(?:W|°?C|%|MB|MiB)?")
_SLOT = re.compile(r"-?[0-9]{1,9}")
_PAIR = re.compile(r"([0-9]{1,9}|NA|N/A|-)/([0-9]{1,9}|NA|N/A|-)")
_BUS = re.compile(r"(?:[0-9A-Fa-f]{1,16}:)?[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,2}\.[0-9A-Fa-f]{1,2}")
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.()-]{2,39}")
_HEALTH = re.compile(r"[A-Za-z][A-Za-z_-]{1,39}")


def _or_none(form: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda word: _is_none(word) or form.fullmatch(word) is not None


def _is(form: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda word: form.fullmatch(word) is not None


_FORMS: dict[str, Callable[[str], bool]] = {
    "npu": _is(_NUMBER),
    "chip": _is(_NUMBER),
    "pid": _is(_NUMBER),
    "pid_inside": _or_none(_NUMBER),
    "device": _or_none(_NUMBER),
    "physical": _or_none(_NUMBER),
    "logic": _or_none(_NUMBER),
    "slot": _or_none(_SLOT),
    "name": _is(_NAME),
    "health": _or_none(_HEALTH),
    "bus": _or_none(_BUS),
    "power": _or_none(_AMOUNT),
    "temp": _or_none(_AMOUNT),
    "aicore": _or_none(_AMOUNT),
    "process_memory": _or_none(_AMOUNT),
    "pages": _or_none(_PAIR),
    "memory": _or_none(_PAIR),
    "hbm": _or_none(_PAIR),
}


def _is_none(word: str) -> bool:
    """Tell whether a word stands for no value."""
    return word.upper() in _NO_VALUE


def flat(row: Iterable[Sequence[str]]) -> list[str]:
    """Return a row's columns."""
    return [column for cell in row for column in cell]


def header(cells: Sequence[str]) -> Row:
    """Return the columns that a line names, none for a line that is no header."""
    found = tuple(tuple(_columns(cell)) for cell in cells)
    columns = flat(found)
    if not any(anchor <= set(columns) for anchor in _ANCHORS) or 2 * columns.count(_OTHER) > len(columns):
        return ()
    begins = (at for at, cell in enumerate(found) if {"npu", "chip"} & set(cell))
    return found[next(begins, 0) :]  # what stands before the table's left border is none of it


def _columns(cell: str) -> list[str]:
    text = cell.lower()
    if (
        "logic" in text or "chip id" in text
    ):  # of `npu-smi info -m`, whose releases write these names in several ways
        text = text.replace("_", "-").replace("chip phy-id", "phy-id")
    words = (_UNIT.sub("", word).strip() for word in _HEAD.findall(text) if not _UNIT.fullmatch(word))
    return [_HEADS.get(word, _OTHER) for word in words]


def values(row: Row, cells: Sequence[str]) -> dict[str, str]:
    """Return what cells have in a row's columns; of other borders, or none, their words; none where a form differs."""
    if len(cells) != len(row):
        row, cells = (tuple(flat(row)),), [" ".join(cells)]
    found: dict[str, str] = {}
    for columns, cell in zip(row, cells, strict=True):
        placed = _place(columns, cell)
        if placed is None:
            return {}
        found |= placed
    return found


def _place(columns: Sequence[str], cell: str) -> dict[str, str] | None:
    """Return a cell's words by column, None where one of those that tell rows apart fits into none that is left."""
    if len(columns) == 1:
        form = _FORMS.get(columns[0])
        return {columns[0]: cell} if form is None or form(cell.replace(" ", "")) else None
    found: dict[str, str] = {}
    at = 0
    for word in cell.split():
        fitting = (place for place in range(at, len(columns)) if _FORMS.get(columns[place], bool)(word))
        place = next(fitting, None)
        if place is not None:
            found[columns[place]] = word
            at = place + 1
        elif at == len(columns) and columns and columns[-1] == "name":
            found["name"] += word  # a name in several words
        elif not columns or _TELLING & set(columns):
            return None
    return found


def is_first(row: Mapping[str, str], columns: Row) -> bool:
    """Tell whether values are those of a first row: it names the chip, and has its health where the table does."""
    return {"npu", "name", *({"health"} & set(flat(columns)))} <= set(row)


def is_second(row: Mapping[str, str], columns: Row) -> bool:
    """Tell whether values are those of a second row, whose numbers are whole where something follows them."""
    numbered = "chip" in row or "chip" not in flat(columns)
    return numbered and bool({"bus", "aicore", "memory"} & set(row))


def number(word: str | None) -> int | None:
    """Return a whole number, None where a word is none."""
    return int(word) if word and _NUMBER.fullmatch(word) else None


def amount(word: str | None) -> float | None:
    """Return an amount without its unit, None where a word is none."""
    match = _AMOUNT.fullmatch(word or "")
    return float(match[1]) if match else None


def pair(word: str | None) -> tuple[int | None, int | None]:
    """Return used and total of `used/total`."""
    match = _PAIR.fullmatch(word or "")
    return (number(match[1]), number(match[2])) if match else (None, None)


def bus(word: str | None) -> str | None:
    """Return a bus id, None where a word is none, as on a board whose chip is no PCIe card."""
    return word if word and _BUS.fullmatch(word) else None
