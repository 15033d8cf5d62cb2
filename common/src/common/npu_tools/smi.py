"""Which NPUs this machine has, from the table that `npu-smi info` prints.

Each chip has two rows: (NPU id, name, health, power, ...), then (chip id, device id, bus id, ...). Older drivers
lack columns at the end, newer ones append a table of processes: rows are recognised by their form.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from common import process
from common.errors import GuideError

_REMEDY = "Name the chip with --soc-version, for example --soc-version Ascend310P3."


@dataclass(frozen=True)
class Chip:
    """One chip: `device` is the id that inference tools take, `soc` the name that ATC takes."""

    npu: int
    chip: int
    device: int
    soc: str
    health: str


def parse(table: str) -> list[Chip]:
    """Return the chips in an `npu-smi info` table, in its order."""
    chips: list[Chip] = []
    first: list[str] = []
    for line in table.splitlines():
        if "Process id" in line:
            break
        cells = [cell.split() for cell in line.strip().strip("|").split("|")]
        if (
            not line.startswith("|")
            or len(cells) < 3
            or len(cells[0]) not in (1, 2)
            or not cells[0][0].isdigit()
        ):
            continue
        if re.fullmatch(r"[0-9A-Fa-f]{4}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f]", "".join(cells[1])):
            if first and cells[0][-1].isdigit():
                npu, name, health = int(first[0]), first[1], first[2]
                chip, device = int(cells[0][0]), int(cells[0][-1])  # 910 tables have no device column
                chips.append(Chip(npu, chip, device, f"Ascend{name.removeprefix('Ascend')}", health))
            first = []
        elif len(cells[0]) == 2:
            first = [*cells[0], " ".join(cells[1])]
    return chips


def soc_version() -> str:
    """Return the `--soc_version` of this machine's chips, for example Ascend310P3."""
    code, table = process.run(["npu-smi", "info"], _REMEDY, capture=True)
    if code:
        raise GuideError(f"`npu-smi info` failed with exit code {code}:\n{table.strip()}\n{_REMEDY}")
    chips = parse(table)
    names = sorted({chip.soc for chip in chips})
    if len(names) != 1:
        found = f"several kinds of chip: {', '.join(names)}" if names else "no chip"
        raise GuideError(f"`npu-smi info` shows {found}. {_REMEDY}")
    return names[0]
