"""ATC: whether it is there, whether it starts, and whether the machine has the memory for its compilers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Any

from ascend_tools.doctor import cann, children, cpu, driver, places
from ascend_tools.doctor.check import Check, Level, Registered, Status
from common.cli import counted
from common.npu_tools import atc_codes

PROGRAM, LIBRARY, MEMORY = "atc.program", "atc.library", "atc.memory"
_TITLES = {PROGRAM: "ATC", LIBRARY: "Libraries of ATC", MEMORY: "Memory for ATC"}
_SECONDS = 60.0  # a cold file system on a small board
_TOOLKIT = "ATC is part of CANN's toolkit, not of nnrt or nnae's runtime: install the toolkit from hiascend.com/software/cann."
_AGAIN = "Install CANN's toolkit again, the one for this processor and this system."
# TE_PARALLEL_COMPILER's default, at most 80 % of the cores; what one compiler takes is a generous round number.
_COMPILERS, _SHARE, _EACH = 8, 0.8, 3 * 2**30
_FEWER = "export TE_PARALLEL_COMPILER=1 MAX_COMPILE_CORE_NUMBER=1"
_BIND = "numactl -C 16-31 python -m common.atc"
_MANY = 32  # cores, from which on users of Arm servers bind ATC to some of them


def _check(each: str, status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(each, _TITLES[each], status, found, remedy, each != MEMORY, details)


def _program() -> Sequence[Check]:
    found = shutil.which("atc")
    if found:
        return [_check(PROGRAM, Status.OK, found, path=found)]
    for home in (*places.homes(), *places.toolkits()):
        for path in cann.own_atc(home):
            command = cann.source(home) if os.access(path, os.X_OK) else f"chmod +x {path}"
            words = (
                f"{path} is there, and not on PATH"
                if os.access(path, os.X_OK)
                else f"{path} may not be executed"
            )
            details = {"command": command} if command else {}
            return [_check(PROGRAM, Status.MISSING, words, command or _AGAIN, path=str(path), **details)]
    remedy = _TOOLKIT if places.homes() or places.toolkits() else f"{_TOOLKIT} Then source its set_env.sh."
    return [_check(PROGRAM, Status.MISSING, "no program atc on PATH", remedy)]


def _library() -> Sequence[Check]:
    """Return whether ATC starts: it is asked for its help."""
    found = shutil.which("atc")
    if found is None:
        return [
            _check(LIBRARY, Status.MISSING, "there is no atc to be started", "Install or source CANN first.")
        ]
    ran = children.run([found, "--help"], _SECONDS)
    if ran.library == places.HAL:
        return [_no_driver(found)]
    if ran.library:
        home = next((each for each in places.homes() if each.is_dir()), None)
        command = cann.source(home or next(iter(places.toolkits()), None))
        details = {"command": command} if command else {}
        words = f"{found} does not start: the library {ran.library} is not found"
        return [_check(LIBRARY, Status.MISSING, words, command or _AGAIN, library=ran.library, **details)]
    if ran.problem:
        remedy = f"{_AGAIN} {atc_codes.MEMORY}" if "SIGKILL" in ran.problem else _AGAIN
        return [_check(LIBRARY, Status.WRONG, f"{found} does not start: {ran.problem}", remedy)]
    text = ran.printed.lower()
    if "--model" not in text and "--framework" not in text:
        said = children.last_line(ran.printed)
        words = f"{found} --help prints no help of ATC's, and ends with {ran.status}" + (
            f": {said}" if said else ""
        )
        return [_check(LIBRARY, Status.WRONG, words, f"`which atc` has to be CANN's: {_AGAIN}")]
    return [_check(LIBRARY, Status.OK, "it starts")]


def _no_driver(found: str) -> Check:
    """Return the line of an ATC that lacks the driver's library; CANN's stand-in for it will do for converting."""
    words = f"{found} does not start: the library {places.HAL} is not found"
    folders = [folder for folder in places.driver_folders() if (folder / places.HAL).exists()]
    stubs = [stub for home in (*places.homes(), *places.toolkits()) for stub in places.stub_folders(home)]
    if folders:
        command = driver.export(folders)
    elif stubs:
        command = driver.stub_export(stubs[0])
    else:
        return _check(LIBRARY, Status.MISSING, words, driver.INSTALL, library=places.HAL)
    return _check(LIBRARY, Status.MISSING, words, command, library=places.HAL, command=command)


def _memory() -> Sequence[Check]:
    """Return whether so many compilers as ATC starts at once have the memory that they need."""
    cores, total = cpu.cores(), cpu.memory()
    compilers = _wanted(max(1, min(_COMPILERS, int(_SHARE * cores))))
    needed = (compilers + 1) * _EACH
    words = f"{total / 2**30:.1f} GiB for {counted(compilers, 'compiler')} at once"
    details: dict[str, Any] = {"bytes": total, "compilers": compilers, "cores": cores}
    if total < needed and compilers > 1:
        words += ": ATC may be killed, or take hours"
        return [_check(MEMORY, Status.WRONG, words, _FEWER, command=_FEWER, **details)]
    if total < needed:
        remedy = "Add swap, or convert on a larger machine: python -m common.atc --soc-version, with this card's chip."
        return [_check(MEMORY, Status.WRONG, f"{words}: it is little even so", remedy, **details)]
    if places.arch() == "aarch64" and cores >= _MANY:
        words += f". On Arm, where ATC is slow, bind it to some cores: {_BIND}"
    return [_check(MEMORY, Status.OK, words, **details)]


def _wanted(most: int) -> int:
    """Return how many compilers the two variables allow, at most so many."""
    allowed = [os.environ.get(name, "") for name in ("TE_PARALLEL_COMPILER", "MAX_COMPILE_CORE_NUMBER")]
    return min(
        [most, *(int(each) for each in allowed if each.isdecimal() and 0 < len(each) < 4 and int(each) > 0)]
    )


PROBES = (
    Registered(_program, {PROGRAM: _TITLES[PROGRAM]}, Level.QUICK),
    Registered(_library, {LIBRARY: _TITLES[LIBRARY]}, Level.DEFAULT, _SECONDS + 15),
    Registered(_memory, {MEMORY: _TITLES[MEMORY]}, Level.QUICK, optional=frozenset({MEMORY})),
)
