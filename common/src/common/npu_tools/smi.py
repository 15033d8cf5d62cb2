"""Which NPUs this machine has, from the table that `npu-smi info` prints.

Each chip has two rows: (NPU id, name, health, power, ...), then (chip id, device id, bus id, ...). Drivers differ in
what follows, in the second column of the second row, `Device`, `Phy-ID` or nothing, and in the bus id, `NA` on boards
whose chip is no PCIe card; newer ones append a table of processes. Rows are recognised by their form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from common import process
from common.errors import GuideError

_REMEDY = "Name the chip with --soc-version, for example --soc-version Ascend310P3."
_SECONDS = 60  # it takes a few on a machine with many cards; a driver that hangs never answers
_NUMBER = re.compile(r"[0-9]{1,9}")
_NONE = ("", "-", "NA", "N/A")
_BUS = re.compile(r"([0-9A-Fa-f]{4,8}:)?[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]")


@dataclass(frozen=True)
class Chip:
    """One chip: `device` is the id that inference tools take, `soc` the name that ATC takes.

    Where the table has no column `Device`, devices count in its order. `Phy-ID` is none: it numbers the host's chips,
    and tools in a container that sees some of them count from 0.
    """

    npu: int
    chip: int
    device: int
    soc: str
    health: str


def parse(table: str) -> list[Chip]:
    """Return the chips in an `npu-smi info` table, in its order."""
    chips: list[Chip] = []
    first: list[str] = []
    has_device = True
    for line in table.splitlines():
        cells = [cell.split() for cell in line.strip().strip("|").split("|")]
        if not line.lstrip().startswith("|") or len(cells) < 3 or not cells[0]:
            continue
        number, *others = cells[0]
        if "process id" in line.lower():
            break
        if number == "Chip":
            has_device = others == ["Device"]
        elif not _NUMBER.fullmatch(number):
            continue
        elif first and len(others) < 2 and _is_bus("".join(cells[1])):
            known = has_device and others and _NUMBER.fullmatch(others[0])
            device = int(others[0]) if known else len(chips)
            npu, name, health = first
            chips.append(Chip(int(npu), int(number), device, f"Ascend{name.removeprefix('Ascend')}", health))
            first = []
        elif others:
            first = [number, "".join(others), " ".join(cells[1])]
    return chips


def _is_bus(text: str) -> bool:
    return text in _NONE or _BUS.fullmatch(text) is not None


def soc_version() -> str:
    """Return the `--soc_version` of this machine's chips, for example Ascend310P3."""
    code, table = process.run(["npu-smi", "info"], _REMEDY, seconds=_SECONDS, capture=True)
    if code:
        raise GuideError(f"`npu-smi info` failed with exit code {code}:\n{table.strip()}\n{_REMEDY}")
    chips = parse(table)
    names = sorted({chip.soc for chip in chips})
    if not chips and "|" not in table:  # it may fail with exit code 0
        raise GuideError(f"`npu-smi info` shows no table of chips, but says:\n{table.strip()}\n{_REMEDY}")
    if len(names) != 1:
        found = f"several kinds of chip: {', '.join(names)}" if names else "no chip"
        raise GuideError(f"`npu-smi info` shows {found}. {_REMEDY}")
    return names[0]
