"""The chips that npu-smi shows, or a saved printout of it: whether they can be used, are well, whole and free."""

from __future__ import annotations

import dataclasses
import shlex
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ascend_tools.doctor import devices, places
from ascend_tools.doctor.check import Check, Level, Registered, Status
from common.npu_tools import smi, smi_problem
from common.npu_tools.smi_chips import Chip, Table

SMI, CHIPS, HEALTH, CARD = "npu.smi", "npu.chips", "npu.health", "npu.card"
IN_USE, NUMBERS = "npu.in-use", "npu.numbers"
_TITLES = {
    SMI: "npu-smi",
    CHIPS: "NPU chips",
    HEALTH: "Health of the chips",
    CARD: "Whole cards",
    IN_USE: "Chips in use",
    NUMBERS: "Numbers of the devices",
    devices.ID: devices.TITLE,
}
_OPTIONAL = frozenset({CARD, IN_USE, NUMBERS})
_SECONDS = 40.0  # npu-smi takes a few on a machine with many cards
_DUO_MB = 40_000  # of a chip's memory: of cards with one 310P, 24 GB at most, of those with two, 48 GB each
_IDLE_HBM = 0.15  # of its memory that a 910 takes when nothing runs: 0.1 GB of 32, 3.4 of 64
_IDLE_LOAD = 5  # percent of AICore
_PROGRAMS = ("usr/local/sbin/npu-smi", "usr/local/bin/npu-smi", "usr/sbin/npu-smi")


def as_json(table: Table) -> list[dict[str, Any]]:
    """Return the chips as they stand in JSON."""
    return [dataclasses.asdict(chip) for chip in table.chips]


def of_table(table: Table) -> list[Check]:
    """Return what a printout of npu-smi says, be it this machine's or a saved one; without chips, why."""
    if not table.chips:
        return [_unusable(table)]
    checks: tuple[Callable[[Table], Check | None], ...] = (_smi, _chips, _health, _card, _in_use, _numbers)
    return [check for each in checks if (check := each(table))]


def _probe() -> Sequence[Check]:
    table = smi.look(_SECONDS)
    missing = shutil.which("npu-smi") is None
    found = [_no_program()] if missing else of_table(table)
    return [*found, devices.check(table)]


def _check(
    each: str, status: Status, found: str, remedy: str = "", *, required: bool = True, **details: Any
) -> Check:
    return Check(each, _TITLES[each], status, found, remedy, required and each not in _OPTIONAL, details)


def _no_program() -> Check:
    """Return where npu-smi is, or that it is nowhere, and whether there is a card all the same."""
    path = next((places.ROOT / name for name in _PROGRAMS if (places.ROOT / name).is_file()), None)
    if path:
        command = f"export PATH=$PATH:{shlex.quote(str(path.parent))}"
        return _check(SMI, Status.WRONG, f"{path} is not on PATH", command, command=command)
    cards = devices.cards()
    remedy = (
        "Install the driver of the card, from the vendor's support site, as an administrator; in a container, mount the "
        "host's: docker run -v /usr/local/bin/npu-smi:/usr/local/bin/npu-smi -v /usr/local/dcmi:/usr/local/dcmi "
        "-v /usr/local/Ascend/driver:/usr/local/Ascend/driver ..."
    )
    if cards:
        return _check(
            SMI,
            Status.MISSING,
            f"not installed here, but the system sees {', '.join(cards)}",
            remedy,
            cards=cards,
        )
    return _check(
        SMI, Status.MISSING, "not installed here, and no card of an NPU is seen on the PCI bus", remedy
    )


def _unusable(table: Table) -> Check:
    """Return why a printout has no chips, which is never that there is no card, unless its table is empty."""
    said = table.said or smi_problem.why("")
    return _check(SMI, Status.WRONG, said.found, said.remedy, error=said.code, version=table.version)


def _smi(table: Table) -> Check:
    known = (
        f"driver {table.version}" if table.version else "a table of chips; the driver's version is not in it"
    )
    if table.problem:
        remedy = (
            "Run npu-smi info again, whole; where it fails again, look at dmesg, and restart the machine."
        )
        return _check(SMI, Status.WRONG, table.problem, remedy, required=False, version=table.version)
    return _check(SMI, Status.OK, known, version=table.version, tool=table.tool)


def _chips(table: Table) -> Check:
    kinds = Counter(chip.soc for chip in table.chips)
    words = ", ".join(f"{count} x {soc}" for soc, count in sorted(kinds.items()))
    ids = ranges(chip.device for chip in table.chips)
    driver = f", driver {table.version}" if table.version else ""
    found = f"{words}, device{'s' if len(table.chips) > 1 else ''} {ids}{driver}"
    return _check(CHIPS, Status.OK, found, chips=as_json(table), version=table.version)


def _health(table: Table) -> Check | None:
    told = [chip for chip in table.chips if chip.health is not None]
    if not told:
        return None
    bad = [chip for chip in told if str(chip.health).upper() not in ("OK", "NORMAL", "NA", "N/A", "-")]
    if not bad:
        words = (
            "OK"
            if any(str(chip.health).upper() in ("OK", "NORMAL") for chip in told)
            else "not told by this board"
        )
        return _check(HEALTH, Status.OK, words)
    critical = [chip for chip in bad if "CRITICAL" in str(chip.health).upper()]
    first = (critical or bad)[0]
    ask = f"npu-smi info -t health -i {first.npu} -c {first.chip} names the fault"
    remedy = (
        f"{ask}; restart the machine, and where it stays, have the card changed."
        if critical
        else f"{ask}; many boards show it for good and compute right, as where a fan or a sensor is missing. Look at the "
        "temperature."
    )
    words = ", ".join(
        f"device {chip.device} (NPU {chip.npu}, chip {chip.chip}): {chip.health}" for chip in bad
    )
    hot = [f"device {chip.device} {chip.temp_c:g} C" for chip in bad if chip.temp_c and chip.temp_c >= 90]
    found = f"{words}; hot: {', '.join(hot)}" if hot else words
    return _check(HEALTH, Status.WRONG, found, remedy, required=bool(critical))


def _card(table: Table) -> Check | None:
    """Return whether all chips of each card are seen; a container may have been given a part of one."""
    cards: dict[int, list[Chip]] = {}
    for chip in table.chips:
        cards.setdefault(chip.npu, []).append(chip)
    most: Counter[tuple[str, bool]] = Counter()
    for chips in cards.values():
        most[_kind(chips[0])] = max(most[_kind(chips[0])], _whole(chips))
    parts = {npu: (len(chips), most[_kind(chips[0])]) for npu, chips in cards.items()}
    halves = {npu: (seen, whole) for npu, (seen, whole) in parts.items() if seen < whole}
    if not halves:
        each = sorted({seen for seen, _ in parts.values()})
        a_card = " or ".join(str(count) for count in each)
        words = f"{len(cards)} card{'s' if len(cards) > 1 else ''}, {a_card} chip{'s' if each != [1] else ''} each"
        return _check(CARD, Status.OK, words, cards=len(cards), chips_per_card=max(each))
    words = ", ".join(f"{seen} of {whole} chips of NPU {npu}" for npu, (seen, whole) in halves.items())
    remedy = (
        "Give the container all chips of the card (docker run --device /dev/davinciN for each; chips of one card are next to "
        "each other); else a throughput per card is that of a part: --read takes --chips."
    )
    return _check(CARD, Status.WRONG, f"only a part is seen: {words}", remedy, cards=len(cards))


def _kind(chip: Chip) -> tuple[str, bool]:
    return chip.soc, (chip.memory_total_mb or 0) > _DUO_MB


def _whole(chips: Sequence[Chip]) -> int:
    """Return how many chips a card has at least: four 310 (one, on a board or a module), two of a Duo."""
    known = max(*(chip.chip + 1 for chip in chips), len(chips))
    soc, large = _kind(chips[0])
    if soc == "Ascend310" and known > 1:
        return max(known, 4)
    return max(known, 2) if soc.startswith("Ascend310P") and large else known


def _in_use(table: Table) -> Check | None:
    """Return which chips another process computes on, or has memory of."""
    if not table.lists_processes and all(chip.aicore_pct is None for chip in table.chips):
        return None
    words, busy = [], set()
    processes = [dataclasses.asdict(each) for each in table.processes]
    for chip in table.chips:
        own = [each for each in table.processes if (each.npu, each.chip) == (chip.npu, chip.chip)]
        said = [f"{each.name or 'a process'} (pid {each.pid})" for each in own]
        if (chip.aicore_pct or 0) > _IDLE_LOAD:
            said.append(f"AICore {chip.aicore_pct:g} %")
        if not own and chip.hbm_total_mb and (chip.hbm_used_mb or 0) > _IDLE_HBM * chip.hbm_total_mb:
            said.append(
                f"{chip.hbm_used_mb} of {chip.hbm_total_mb} MB of HBM taken, by what is not seen from here"
            )
        if said:
            busy.add(chip.device)
            words.append(f"device {chip.device}: {', '.join(said)}")
    free = [chip.device for chip in table.chips if chip.device not in busy]
    if not words:
        idle = "no process" if table.lists_processes else "AICore idle; npu-smi lists no processes"
        return _check(IN_USE, Status.OK, idle, processes=processes)
    other = (
        f"Take a free one: --device {free[0]} (free: {ranges(free)})"
        if free
        else "Wait until they have ended"
    )
    remedy = f"{other}; what is measured on a device in use is not its throughput."
    return _check(
        IN_USE, Status.WRONG, "; ".join(words), remedy, devices=sorted(busy), free=free, processes=processes
    )


def _numbers(table: Table) -> Check:
    """Return how inference tools number the chips, where that is not npu-smi's first column."""
    if all(chip.device == chip.npu and chip.chip == 0 for chip in table.chips):
        return _check(NUMBERS, Status.OK, "those of the column NPU")
    how = "" if table.has_devices else "; counted in the order of the table, which does not number them"
    physical = [chip for chip in table.chips if chip.physical not in (None, chip.device)]
    also = "; Phy-ID is the host's number, and no tool's here" if physical else ""
    mapping = [{"device": chip.device, "npu": chip.npu, "chip": chip.chip} for chip in table.chips]
    pairs = "; ".join(_pairs(table.chips))
    return _check(NUMBERS, Status.OK, f"--device {pairs}{how}{also}", mapping=mapping)


def _pairs(chips: Sequence[Chip]) -> list[str]:
    """Return the devices of each NPU: `0-3 = NPU 5, chips 0-3`, or chip by chip where they do not count likewise."""
    found = []
    for npu in dict.fromkeys(chip.npu for chip in chips):
        own = [chip for chip in chips if chip.npu == npu]
        if len({chip.device - chip.chip for chip in own}) == 1 and len(own) > 1:
            devices_, numbers = ranges(chip.device for chip in own), ranges(chip.chip for chip in own)
            found.append(f"{devices_} = NPU {npu}, chips {numbers}")
        else:
            found += [f"{chip.device} = NPU {npu}, chip {chip.chip}" for chip in own]
    return found


def ranges(numbers: Iterable[int]) -> str:
    """Return numbers as one writes them: `0-3, 7`."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


PROBES = (Registered(_probe, _TITLES, Level.QUICK, 2 * _SECONDS + 20.0, _OPTIONAL),)
