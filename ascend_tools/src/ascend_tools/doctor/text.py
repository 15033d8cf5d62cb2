"""What the doctor prints: a line for each check, the matrix of the models, the last word."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from ascend_tools.doctor.check import Check, Status
from ascend_tools.doctor.matrix import Row
from common.cli import counted

_COLOURS = {Status.OK: "32", Status.MISSING: "33", Status.WRONG: "31"}
_WIDTH = max(len(status.value) for status in Status)
OPEN = "the way to the NPU is open"


def lines(check: Check, *, colours: bool = False) -> Iterator[str]:
    """Yield the line of a check, and its remedy indented below it where there is one."""
    optional = "" if check.required else " (optional)"
    words = " ".join(check.found.split())
    yield f"  {_status(check.status, colours)}  {check.title}{optional}: {words}"
    if check.status is not Status.OK:
        indent = " " * (_WIDTH + 4)
        yield from (f"{indent}{line.strip()}" for line in check.remedy.splitlines() if line.strip())


def _status(status: Status, colours: bool) -> str:
    padded = f"{status.value:{_WIDTH}}"
    return f"\x1b[{_COLOURS[status]}m{padded}\x1b[0m" if colours else padded


def has_colours() -> bool:
    """Tell whether stdout is a terminal whose user did not ask for plain text; see no-color.org."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the matrix: `ready`, or the number of a line below that says what makes it so.

    Ways that nothing here is installed for, and no device, are left out.
    """
    ways = [way for way in rows[0].ways if any(row.ways[way].here for row in rows)]
    numbers: dict[str, int] = {}
    body = []
    for row in rows:
        cells = [
            "ready" if cell.next == "" else str(numbers.setdefault(cell.next, len(numbers) + 1))
            for cell in (row.ways[way] for way in ways)
        ]
        body.append([row.model, *cells])
    head = ["Models", *ways]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]
    for line in (head, *body):
        yield "  ".join(f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
    if numbers:
        yield "A number stands for what makes it ready:"
    for text, number in numbers.items():
        first, *others = text.splitlines()
        yield f"  {number:>{len(str(len(numbers)))}}  {first}"
        yield from (f"{' ' * (len(str(len(numbers))) + 4)}{line.strip()}" for line in others)


def verdict(checks: Sequence[Check]) -> str:
    """Return the last line: whether the way to the NPU is open, else how much is in the way, and what comes first."""
    closed = in_the_way(checks)
    if not closed:
        return OPEN
    verb = "is" if len(closed) == 1 else "are"
    first = closed[0]
    found = " ".join(first.found.split())
    return f"not open: {counted(len(closed), 'thing')} {verb} missing or wrong; first: {first.title}: {found}"


def verdict_of_table(checks: Sequence[Check]) -> str:
    """Return the last line where a saved table was read."""
    closed = in_the_way(checks)
    if not closed:
        return "the table shows chips that can be used"
    return f"the table shows no chips that can be used: {' '.join(closed[0].found.split())}"


def in_the_way(checks: Sequence[Check]) -> list[Check]:
    """Return the checks that keep the way to the NPU closed, in their order."""
    return [check for check in checks if check.required and check.status is not Status.OK]
