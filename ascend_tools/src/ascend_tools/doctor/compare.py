"""Two machines beside each other: the lines that differ, from what `--json` printed on the other one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from common.errors import GuideError
from common.files import check_regular

FORMAT = 1
_MOST = 16 << 20  # bytes; a record has some 50 thousand
_AGAIN = "Make it on the other machine: python -m ascend_tools.doctor --json > OTHER.json"
_COMPARED = ("status", "found", "details")
# What changes from minute to minute on one and the same machine, and what to type there.
_PASSING = frozenset(
    {"command", "power_w", "temp_c", "aicore_pct", "memory_used_mb", "hbm_used_mb", "processes", "free_gib"}
)
Record = Mapping[str, Any]


def read(path: Path) -> Record:
    """Read what `--json` printed on another machine; anything else is an error."""
    check_regular(path)
    if path.stat().st_size > _MOST:
        raise GuideError(f"{path}: has more than {_MOST >> 20} MB, and a doctor's record has none. {_AGAIN}")
    try:
        record = json.loads(_text(path.read_bytes()), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise GuideError(f"{path}: not JSON: {error}. {_AGAIN}") from None
    if not isinstance(record, dict) or "format" not in record or not isinstance(record.get("checks"), list):
        raise GuideError(f"{path}: JSON, but no record of the doctor's. {_AGAIN}")
    if record["format"] != FORMAT:
        raise GuideError(
            f"{path}: expected a record of format {FORMAT}, found {record['format']!r}: another version of the doctor "
            f"wrote it. {_AGAIN}, with the same version as here."
        )
    if wrong := next(_wrong(record), None):
        raise GuideError(f"{path}: damaged: {wrong}. {_AGAIN}")
    return record


def _text(content: bytes) -> str:
    """Return the text of a file that a shell may have written as UTF-16."""
    marked = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    return content.decode("utf-16" if marked else "utf-8-sig")


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number of JSON's")


def _wrong(record: Record) -> Iterator[str]:
    """Yield what is not as the doctor writes it."""
    for key in ("host", "level"):
        if not isinstance(record.get(key), str):
            yield f"{key!r} is no text"
    for at, check in enumerate(record["checks"]):
        if not isinstance(check, dict) or not all(
            isinstance(check.get(key), str) for key in ("id", "title", "status", "found")
        ):
            yield f"check {at} has no id, title, status and found"
        elif not isinstance(check.get("details") or {}, dict):
            yield f"the details of check {at} are no object"
    models = record.get("models", [])
    if not isinstance(models, list) or not all(
        isinstance(row, dict) and isinstance(row.get("model"), str) and isinstance(row.get("ways"), dict)
        for row in models
    ):
        yield "'models' is no matrix"


def differences(here: Record, there: Record) -> list[dict[str, Any]]:
    """Return what differs, with both sides, in the order of this machine's lines; None where a side has no such line.

    The matrix's cells are lines, too: `models.MODEL.WAY`.
    """
    left, right = _lines(here), _lines(there)
    found = []
    for name in dict.fromkeys((*left, *right)):
        sides = [_compared(side.get(name)) for side in (left, right)]
        if sides[0] != sides[1]:
            title = (left.get(name) or right[name])["title"]
            found.append({"id": name, "title": title, "here": sides[0], "there": sides[1]})
    return found


def _lines(record: Record) -> dict[str, Record]:
    lines = {check["id"]: check for check in record["checks"]}
    for row in record.get("models", []):
        for way, cell in row["ways"].items():
            status = cell.get("status") if isinstance(cell, dict) else None
            lines[f"models.{row['model']}.{way}"] = {
                "title": f"{row['model']}, {way}",
                "status": status if isinstance(status, str) else "?",
            }
    return lines


def _compared(check: Record | None) -> dict[str, Any] | None:
    if check is None:
        return None
    return {key: _lasting(check[key]) for key in _COMPARED if check.get(key)}


def _lasting(value: Any) -> Any:
    """Return a value without what changes from minute to minute."""
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key not in _PASSING}
    return [_lasting(each) for each in value] if isinstance(value, list | tuple) else value


def text(here: Record, there: Record) -> Iterator[str]:
    """Yield the lines that differ, each with both sides below it; what a terminal would obey is left out."""
    for line in _beside(here, there):
        yield "".join(letter for letter in line if letter.isprintable())


def _beside(here: Record, there: Record) -> Iterator[str]:
    names = [f"here ({here['host']})", f"there ({there['host']})"]
    width = max(map(len, names))
    found = differences(here, there)
    for name, side in zip(names, (here, there), strict=True):
        if side.get("rehearsal"):
            yield f"note: {name}: {side['rehearsal']}"
    if here["level"] != there["level"]:
        yield f"note: here the level is {here['level']}, there {there['level']}; what only one of them has was not looked at."
    for each in found:
        yield f"{each['id']}  {each['title']}"
        for name, side in zip(names, (each["here"], each["there"]), strict=True):
            yield f"  {name:{width}}  {_side(side)}"
        yield from _details(each["here"], each["there"])
    same = len(_lines(here).keys() | _lines(there).keys()) - len(found)
    yield f"{len(found)} of {same + len(found)} lines differ" if found else f"all {same} lines are the same"


def _side(side: Mapping[str, Any] | None) -> str:
    if side is None:
        return "not looked at"
    return "  ".join(filter(None, (side["status"], " ".join(str(side.get("found", "")).split()))))


def _details(here: Mapping[str, Any] | None, there: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield the versions and numbers that differ where both sides read the same."""
    if here is None or there is None or _side(here) != _side(there):
        return
    left, right = ({**side.get("details", {})} for side in (here, there))
    for key in dict.fromkeys((*left, *right)):
        if left.get(key) != right.get(key):
            yield f"    {key}: {json.dumps(left.get(key))} here, {json.dumps(right.get(key))} there"
