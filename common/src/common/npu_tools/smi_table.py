"""What a printout of npu-smi says: the chips of `npu-smi info` and `npu-smi info -m`, and the processes on them.

A chip of `npu-smi info` has two rows: NPU id, name, health, power ...; then chip id, device id, bus id, load ...
Drivers differ in their columns, so rows are read by the table's own header; without one, by the usual columns. Which row
is which is told by the form of its cells. `npu-smi info -m` has one row a chip, and none for the board's own processor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from common.npu_tools import smi_lines, smi_problem
from common.npu_tools.smi_chips import Chip, Process, Table
from common.npu_tools.smi_columns import (
    FIRST,
    SECOND,
    Row,
    amount,
    bus,
    flat,
    header,
    is_first,
    is_second,
    number,
    pair,
    values,
)
from common.npu_tools.smi_problem import Said

_VERSION = re.compile(r"(?<![\w-])Version\s{0,9}:\s{0,9}([0-9][\w.-]{0,40})", re.IGNORECASE)
_BOARDS_OWN = frozenset({"mcu", "3559"})  # processors that `npu-smi info -m` lists among the chips
_NAMES = {"MiniD": "310"}  # what it calls a chip, where `npu-smi info` has another name
_TOOL = re.compile(r"npu-smi(?:\s{1,9}version:?)?\s{1,9}v?([0-9][0-9A-Za-z.-]{0,40})")
_WHOLE = "Save the printout again, whole and as npu-smi prints it."
_Key = tuple[int, int, str]


def read(text: str) -> Table:
    """Return what a printout of `npu-smi info`, of `npu-smi info -m`, or of both, shows; any text is read."""
    found = _Found()
    for cells in smi_lines.rows(text):
        found.add(cells)
    found.end()
    chips, has_devices = found.chips()
    tool = _TOOL.search(text)
    version = _VERSION.search(text) or tool
    said = None if chips else smi_problem.why(text)
    if found.lost:
        said = Said(f"a row could not be read: {found.lost}", _WHOLE)
    return Table(
        chips=chips,
        processes=tuple(dict.fromkeys(found.processes)),
        version=version[1] if version else None,
        tool=tool[1] if tool else None,
        said=said,
        has_devices=has_devices,
        lists_processes=found.lists_processes,
    )


class _Found:
    """What was found so far, line by line."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.lists_processes = False
        self.lost = ""  # the first row that is a chip's and could not be read, or lacks its other row
        self._rows: list[Row] = [FIRST, SECOND]  # of the table that is being read
        self._in_header = False
        self._first: dict[str, str] = {}  # the first row of a chip whose second has not come
        # By NPU, chip and name: a second table of the same machine is newer, one of another has other chips.
        self._table: dict[_Key, dict[str, str]] = {}
        self._mapping: dict[_Key, dict[str, str]] = {}

    def add(self, cells: Sequence[str]) -> None:
        """Take a line's cells."""
        if columns := header(cells):
            self._begin(columns)
            return
        for left_out in range(min(3, len(cells))):  # words before the table's left border
            if self._data(cells[left_out:]):
                self._in_header = False
                return
        if len(cells) == len(self._rows[0]) and cells[0][:1].isdigit() and "health" in flat(self._rows[0]):
            self.lost = self.lost or " | ".join(cells)

    def _begin(self, columns: Row) -> None:
        """Take a line of a header, which has two where a chip has two rows."""
        names = flat(columns)
        self.lists_processes |= "pid" in names
        if "npu" in names:
            self.end()
            self._rows = [columns]
        elif self._in_header:
            self._rows = [self._rows[0], columns]
        else:
            self.end()
            self._rows = [FIRST, columns]
        self._in_header = True

    def _data(self, cells: Sequence[str]) -> bool:
        """Take a line of data, and tell whether it was one."""
        first, second = (*self._rows, SECOND)[:2]
        names = flat(first)
        if "pid" in names:
            return self._process(values(first, cells))
        if "logic" in names or ({"npu", "chip", "name"} <= set(names) and "health" not in names):
            return self._map(values(first, cells), names)
        row = values(second, cells)
        if self._first and is_second(row, second):
            self._chip(self._first | row)
            return True
        row = values((*first, *second), cells) if len(cells) == len(first) + len(second) else {}
        if is_first(row, first) and is_second(row, second):  # both rows in one line
            self.end()
            self._chip(row)
            return True
        row = values(first, cells)
        if not is_first(row, first):
            return False
        self.end()
        if "chip" in row:
            self._chip(row)
        else:
            self._first = row
        return True

    def end(self) -> None:
        """Take a first row whose second has not come: all of a chip in a table of single rows, else what is cut."""
        if self._first and len(self._rows) == 1:
            self._chip(self._first)
        elif self._first:
            self.lost = self.lost or f"of NPU {self._first['npu']} only the first one is there"
        self._first = {}

    def _chip(self, row: dict[str, str]) -> None:
        row.setdefault("chip", "0")  # newer generations number the NPU alone
        self._table[_key(row)] = row
        self._first = {}

    def _map(self, row: Mapping[str, str], names: Sequence[str]) -> bool:
        """Take a row of `npu-smi info -m`; the newest generation has no logic ids."""
        if not {"npu", "chip", "name"} <= set(row) or row["name"].lower() in _BOARDS_OWN:
            return False
        if "logic" in names and number(row.get("logic")) is None:
            return False
        name = _NAMES.get(row["name"], row["name"])
        self._mapping[_key(row)] = {**row, "name": name, "device": row.get("logic", "")}
        return True

    def _process(self, row: Mapping[str, str]) -> bool:
        if not {"npu", "pid"} <= set(row):
            return False
        memory = amount(row.get("process_memory"))
        npu, chip, pid = int(row["npu"]), int(row.get("chip", "0")), int(row["pid"])
        told = None if memory is None else int(memory)
        self.processes.append(Process(npu, chip, pid, row.get("process", ""), told))
        return True

    def chips(self) -> tuple[tuple[Chip, ...], bool]:
        """Return the chips, and whether the ids of all their devices stand there."""
        found, known = [], True
        places = {key[:2]: row for key, row in self._mapping.items()}
        for place, (key, row) in enumerate((self._table or self._mapping).items()):
            mapped = places.get(key[:2], {})
            told = (number(given.get("device")) for given in (row, mapped))
            device = next((each for each in told if each is not None), None)
            known &= device is not None
            physical = number(row.get("physical")) if "physical" in row else number(mapped.get("physical"))
            found.append(_chip(row, place if device is None else device, physical))
        return tuple(found), bool(found) and known


def _key(row: Mapping[str, str]) -> _Key:
    return int(row["npu"]), int(row["chip"]), row["name"]


def _chip(row: Mapping[str, str], device: int, physical: int | None) -> Chip:
    name = row["name"].replace(" ", "").removeprefix("Ascend")
    memory, hbm = pair(row.get("memory")), pair(row.get("hbm"))
    return Chip(
        npu=int(row["npu"]),
        chip=int(row["chip"]),
        device=device,
        soc=f"Ascend{name}",
        health=row.get("health") or None,
        power_w=amount(row.get("power")),
        temp_c=amount(row.get("temp")),
        bus_id=bus(row.get("bus")),
        aicore_pct=amount(row.get("aicore")),
        memory_used_mb=memory[0],
        memory_total_mb=memory[1],
        hbm_used_mb=hbm[0],
        hbm_total_mb=hbm[1],
        physical=physical,
    )
