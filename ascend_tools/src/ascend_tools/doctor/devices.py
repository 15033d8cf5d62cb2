"""The device nodes through which programs reach the NPU: whether they are there, enough of them, and may be used."""

from __future__ import annotations

import grp
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ascend_tools.doctor import places
from ascend_tools.doctor.check import Check, Status
from common import rehearsal
from common.npu_tools.smi_chips import Table

ID, TITLE = "npu.devices", "Device nodes"
GROUP = "HwHiAiUser"
_MANAGERS = ("davinci_manager", "devmm_svm", "hisi_hdc")
_ON_BOARD = ("davinci_manager",)  # where the chip is the host itself, and no card in it
_NODE = re.compile(r"v?davinci([0-9]{1,6})")
_VENDOR = "0x19e5"
# PCI device ids of the cards, and what npu-smi calls their chips.
_CARDS = {
    "0xd100": "310",
    "0xd105": "310B",
    "0xd500": "310P",
    "0xd801": "910",
    "0xd802": "910B",
    "0xd803": "910C",
}
_DOCKER = "docker run --device /dev/davinci0 (and so on) --device /dev/davinci_manager --device /dev/devmm_svm --device /dev/hisi_hdc"
_LOAD = "Install the driver, or load it (a restart does), as an administrator"


def cards() -> list[str]:
    """Return the NPU cards that the system sees on the PCI bus, whether they have a driver or not."""
    found = []
    for folder in sorted((places.ROOT / "sys/bus/pci/devices").glob("*")):
        if places.read(folder / "vendor").strip() == _VENDOR:
            name = _CARDS.get(places.read(folder / "device").strip().lower())
            if name:
                found.append(f"a card with {name} at {folder.name}")
    return found


def check(table: Table) -> Check:
    """Return whether there is a node for each chip that npu-smi shows, and the driver's own, all open to this user."""
    folder = places.device_folder()
    nodes = sorted((path for path in _listed(folder) if _NODE.fullmatch(path.name)), key=_number)
    on_board = bool(table.chips) and all(chip.bus_id is None for chip in table.chips)
    wanted = [folder / name for name in (_ON_BOARD if on_board else _MANAGERS)]
    details: dict[str, Any] = {"nodes": [path.name for path in nodes], "group": _group()}
    if not nodes:
        remedy = f"{_LOAD}; in a container: {_DOCKER}, or Ascend Docker Runtime."
        return _check(Status.MISSING, f"no {folder}/davinci*: no NPU is reachable from here", remedy, details)
    missing = [path.name for path in wanted if not path.exists()]
    if missing:
        remedy = f"{_LOAD}; in a container, add {' '.join(f'--device /dev/{name}' for name in missing)} to docker run."
        return _check(
            Status.MISSING, f"there is no {folder}/{f', no {folder}/'.join(missing)}", remedy, details
        )
    shut = [path for path in (*nodes, *wanted) if not _may_use(path)]
    if shut:
        return _check(
            Status.WRONG, f"this user may not use {', '.join(map(str, shut))}", _admission(shut[0]), details
        )
    names = (
        f"{nodes[0]}"
        if len(nodes) == 1
        else f"{nodes[0]} to {nodes[-1].name}"
        if _gapless(nodes)
        else ", ".join(details["nodes"])
    )
    if len(nodes) < len(table.chips):
        found = f"{len(nodes)} of {len(table.chips)} chips that npu-smi shows have a node: {names}"
        return _check(
            Status.WRONG, found, f"In a container, add the others: {_DOCKER}.", details, required=False
        )
    if table.chips and len(nodes) > len(table.chips):
        found = f"{len(nodes)} nodes ({names}), but npu-smi shows {len(table.chips)} chips"
        remedy = "A chip may be lost: lspci -d 19e5: and dmesg tell; restart the machine."
        return _check(Status.WRONG, found, remedy, details, required=False)
    return _check(Status.OK, f"{names}, {', '.join(path.name for path in wanted)}", "", details)


def _check(
    status: Status, found: str, remedy: str, details: Mapping[str, Any], *, required: bool = True
) -> Check:
    return Check(ID, TITLE, status, found, remedy, required, details)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _number(path: Path) -> int:
    match = _NODE.fullmatch(path.name)
    return int(match[1]) if match else -1


def _gapless(nodes: list[Path]) -> bool:
    return _number(nodes[-1]) - _number(nodes[0]) + 1 == len(nodes)


def _may_use(node: Path) -> bool:
    if not rehearsal.is_active():
        return os.access(node, os.R_OK | os.W_OK)
    from ascend_tools.rehearse import machine  # needs more than Python's own packages

    return machine.may_use(node)


def _group() -> str:
    """Return whether this user is in the group of the driver: `member`, `no member`, or `no such group`."""
    try:
        found = grp.getgrnam(GROUP)
    except KeyError:
        return "no such group"
    return "member" if found.gr_gid in {os.getegid(), *os.getgroups()} else "no member"


def _admission(node: Path) -> str:
    """Return how a user comes to use a node: by its group, which is the driver's."""
    try:
        owner = grp.getgrgid(node.stat().st_gid).gr_name
    except (KeyError, OSError):
        owner = GROUP
    name = owner if owner != "root" and not rehearsal.is_active() else GROUP
    return (
        f"Join the group, then log in again: sudo usermod -aG {name} $USER. In a container, run as a user whose group has the "
        f"same number as the host's {name}, or with --group-add."
    )
