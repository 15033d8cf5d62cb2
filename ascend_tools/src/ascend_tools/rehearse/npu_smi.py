"""The stand-in for npu-smi: `info`, `info -m` and `info -l`, in the form of the driver's tables for each generation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ascend_tools.rehearse import faults, machine, settings, smi_layouts
from ascend_tools.rehearse.stand_in import hang, no_library, program, say
from common import rehearsal

_VERSION = machine.DRIVER
_8005 = "dcmi module initialize failed. ret is -8005"
_8020 = "dcmi model initialized failed, because the device is used. ret is -8020"
_ERRORS = {
    **dict.fromkeys(("smi:-8005", "not-in-group", *machine.NO_NODES), _8005),
    **dict.fromkeys(("smi:-8020", "driver:other-firmware"), _8020),
}
_FOREIGN = (51234, "python3", 8211)  # with the fault of a chip in use: process, name, megabytes
_USAGE = """Usage: npu-smi <command> [options]
  npu-smi info                  the chips of this machine
  npu-smi info -l               how many there are
  npu-smi info -m               NPU, chip and logic id of each
  npu-smi -h, npu-smi -v        this help, the version"""
_WIDTHS = (31, 17, 54)  # of the three columns between the bars


@program
def main(argv: Sequence[str]) -> int:
    """Print a table of the chips that the rehearsal stands in for."""
    chips = settings.current()
    for name, text in _ERRORS.items():
        if faults.is_asked(name):
            say(text)
            return 1
    if faults.is_asked("no-driver"):
        return no_library("npu-smi")
    if faults.is_asked("no-dcmi"):
        return no_library("npu-smi", "libdcmi.so")
    if faults.is_asked("smi:hang"):
        hang()
    if faults.is_asked("smi:no-table"):
        say(rehearsal.NOTE)
        return 0
    tables: dict[tuple[str, ...], Callable[[settings.Settings], Iterable[str]]] = {
        ("info",): _info,
        ("info", "-m"): _mapping,
        ("info", "-l"): _list,
        ("-v",): lambda _: [f"npu-smi version: {_VERSION}"],
        ("-h",): lambda _: [_USAGE],
    }
    table = tables.get(tuple(argv))
    if table is None:
        say("Error parameter of command", *(f"  {word}" for word in argv), _USAGE)
        return 1
    say(rehearsal.NOTE, *table(chips))
    return 0


def _places(chips: settings.Settings) -> list[tuple[int, int, int]]:
    """Return NPU id, chip id and device id of each row; a card's id is not its place, as on real machines.

    Of half a card one sees its first two chips, or the second one of two. Where the table has no column `Device`, the
    last row's device is 0: a tool that counts rows takes another chip than it means.
    """
    each, first = smi_layouts.per_card(chips), 0
    if faults.is_asked("smi:half-card"):
        each, first = (each // 2, 0) if each > 2 else (1, 1)  # a 310's first two chips, a Duo's second
    count = machine.seen(chips)
    backwards = smi_layouts.of(chips).reversed
    return [
        (1 + 3 * (row // each), first + row % each, count - 1 - row if backwards else row)
        for row in range(count)
    ]


def _row(*cells: str) -> str:
    return "|" + "|".join(f" {cell:{width - 1}}" for cell, width in zip(cells, _WIDTHS, strict=True)) + "|"


def _rule(mark: str) -> str:
    return "+" + "+".join(mark * width for width in _WIDTHS) + "+"


def _info(chips: settings.Settings) -> Iterator[str]:
    layout = smi_layouts.of(chips)
    places = [] if faults.is_asked("smi:no-chips") else _places(chips)
    whole = sum(_WIDTHS) + 2
    yield f"+{'-' * whole}+"
    yield f"| {f'npu-smi {_VERSION}':48}{f'Version: {_VERSION}':{whole - 49}}|"
    yield _rule("-")
    yield _row("NPU     Name", "Health", f"{'Power(W)':13}{'Temp(C)':18}Hugepages-Usage(page)")
    usage = f"{'Memory-Usage(MB)':18}" + ("HBM-Usage(MB)" if layout.hbm else "")
    yield _row(f"Chip    {layout.column}", "Bus-Id", f"{'AICore(%)':13}{usage}")
    yield _rule("=")
    hot, in_use, alarm = (faults.is_asked(name) for name in ("device-throttled", "smi:in-use", "smi:alarm"))
    for npu, chip, device in places:
        health = "Alarm" if alarm and device == 0 else "Warning" if hot else "OK"
        # Of a card with two dies the first one tells.
        power = "-" if chip and layout.column == "Phy-ID" else "17.4"
        yield _row(
            f"{npu:<8}{layout.shown(chips.soc)}", health, f"{power:13}{106 if hot else 41:<18}0     / 0"
        )
        beside = {"Device": device, "Phy-ID": _physical(device)}.get(layout.column, "")
        bus = f"0000:{0x81 + device:02X}:00.0" if layout.bus else "NA"
        load = 97 if in_use and device == 0 else 0
        yield _row(f"{chip:<8}{beside}", bus, f"{load:<13}{smi_layouts.memory(chips):18}{layout.hbm}")
        yield _rule("=")
    yield _rule("-")
    yield _row("NPU     Chip", "Process id", f"{'Process name':25}| Process memory(MB)")
    yield _rule("=")
    used = next((npu, chip) for npu, chip, device in places if device == 0) if in_use and places else (-1, -1)
    for npu in dict.fromkeys(npu for npu, _, _ in places):
        if npu == used[0]:
            process, title, memory = _FOREIGN
            yield _row(f"{npu:<8}{used[1]}", f"{process}", f"{title:25}| {memory}")
        else:
            yield f"| {f'No running processes found in NPU {npu}':{whole - 1}}|"
    yield _rule("=")


def _physical(device: int) -> int:
    """Return the host's number of a chip, which a container that sees some of them does not use."""
    return 4 + device


def _columns(*cells: object) -> str:
    return " " * 8 + "".join(f"{cell!s:31}" for cell in cells)


def _mapping(chips: settings.Settings) -> Iterator[str]:
    layout = smi_layouts.of(chips)
    physical = layout.column == "Phy-ID"
    yield _columns("NPU ID", "Chip ID", "Chip Logic ID", *(["Chip Phy-ID"] if physical else []), "Chip Name")
    name = layout.shown(chips.soc)
    name = name if name.startswith("Ascend") else f"Ascend {name}"
    places = _places(chips)
    for at, (npu, chip, device) in enumerate(places):
        yield _columns(npu, chip, device, *([_physical(device)] if physical else []), name)
        if at + 1 == len(places) or places[at + 1][0] != npu:
            yield _columns(npu, chip + 1, "-", *(["-"] if physical else []), "Mcu")


def _list(chips: settings.Settings) -> Iterator[str]:
    npus = [npu for npu, _, _ in _places(chips)]
    yield f"\t{'Total Count':30} : {len(set(npus))}"
    for npu in dict.fromkeys(npus):
        yield ""
        yield f"\t{'NPU ID':30} : {npu}"
        yield f"\t{'Chip Count':30} : {npus.count(npu)}"


if __name__ == "__main__":
    raise SystemExit(main())
