"""CANN: whether it is installed, whether its set_env.sh was sourced in this shell, and which version it is.

The way that settings go wrong is mostly this: they are missing, they are of a directory that has gone, or those of two
CANNs are mixed.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from ascend_tools.doctor import places
from ascend_tools.doctor.check import Check, Level, Registered, Status
from common.npu_tools import cann

INSTALLED, ENVIRONMENT, VERSION = "cann.installed", "cann.environment", "cann.version"
_TITLES = {INSTALLED: "CANN", ENVIRONMENT: "CANN's settings", VERSION: "Version of CANN"}
INSTALL = (
    "Install CANN's toolkit for this processor from hiascend.com/software/cann, then: "
    "source /usr/local/Ascend/ascend-toolkit/set_env.sh"
)
BY_HAND = (
    "It has no set_env.sh: set its variables by hand, as NPU.md says under Environment; or install it again."
)
# The variables of set_env.sh that programs are found by, with the directories of CANN that belong on them.
_PATHS = {
    "PATH": ("bin", "compiler/bin", "atc/bin", "tools/ascend_system_advisor/asys"),
    "LD_LIBRARY_PATH": ("lib64", "*-linux/lib64", "atc/lib64", "acllib/lib64", "runtime/lib64"),
    "PYTHONPATH": ("python/site-packages", "atc/python/site-packages", "pyACL/python/site-packages/acl"),
}


def _probe() -> Sequence[Check]:
    home = next((each for each in places.homes() if each.is_dir()), None)
    here = home or next(iter(places.toolkits()), None)
    return [_installed(here), _environment(here, home), _version(here)]


def _check(each: str, status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(each, _TITLES[each], status, found, remedy, each != VERSION, details)


def _installed(here: Path | None) -> Check:
    if here is None:
        return _check(INSTALLED, Status.MISSING, "no CANN in the places where it is installed", INSTALL)
    there = sorted(path.name.removesuffix("-linux") for path in here.glob("*-linux") if path.is_dir())
    others = [name for name in there if name in ("aarch64", "x86_64", "arm64")]
    own = places.arch()
    if others and own not in others and not (own == "aarch64" and "arm64" in others):
        words = f"{here} is for {' and '.join(others)}, this machine is {own}"
        remedy = f"Install CANN's toolkit for {own} from hiascend.com/software/cann."
        return _check(INSTALLED, Status.WRONG, words, remedy, folder=str(here))
    return _check(INSTALLED, Status.OK, str(here), folder=str(here))


def to_source() -> tuple[str, bool]:
    """Return what makes CANN's settings here, and whether that is a command: where there is no CANN it is none."""
    home = next((each for each in (*places.homes(), *places.toolkits()) if each.is_dir()), None)
    command = source(home)
    return (command, True) if command else (BY_HAND if home else INSTALL, False)


def source(home: Path | None) -> str:
    """Return the command that makes the settings of a CANN, "" where there is none to be sourced."""
    script = places.set_env(home) if home else None
    return f"source {shlex.quote(os.fspath(script))}" if script else ""


def _environment(here: Path | None, home: Path | None) -> Check:
    """Return whether the settings of one CANN, which is there, are in the environment."""
    said = places.homes()
    if not said and here is None:
        return _check(ENVIRONMENT, Status.MISSING, "not made: there is no CANN to make them for", INSTALL)
    command = source(here)
    if not said:
        words = f"set_env.sh was not sourced in this shell: {' and '.join(places.HOMES)} are not set"
        return _told(Status.MISSING, words, command)
    if home is None:
        words = f"{places.HOMES[0]} or {places.HOMES[1]} says {said[0]}, which is not there: another CANN was sourced"
        others = [each for each in places.toolkits() if each.is_dir()]
        return _told(Status.WRONG, words, source(others[0]) if others else "", INSTALL)
    problem = _another(said, home) or _operators() or _unset(home)
    if problem:
        return _told(Status.WRONG, problem, command)
    return _check(ENVIRONMENT, Status.OK, f"those of {home}", folder=str(home))


def _told(status: Status, words: str, command: str, remedy: str = BY_HAND) -> Check:
    """Return the check whose remedy is a command, or a sentence where there is none."""
    details = {"command": command} if command else {}
    return _check(ENVIRONMENT, status, words, command or remedy, **details)


def _another(said: Sequence[Path], home: Path) -> str:
    """Return in words that two CANNs are mixed, if so: in the variables, or that of `atc` on PATH is another one."""
    if len(said) > 1 and not any(places.is_below(each, other) for each, other in (said, said[::-1])):
        return f"those of two CANNs: {places.HOMES[0]} and {places.HOMES[1]} say {said[0]} and {said[1]}"
    found = shutil.which("atc")
    own = own_atc(home)
    if found is None or not own or any(path.samefile(found) for path in own):
        return ""
    if places.is_below(Path(found), home) or Path(found).resolve() in {path.resolve() for path in own}:
        return ""
    return f"those of two CANNs: {home} is set, and the first atc on PATH is {found}, of another one"


def own_atc(home: Path) -> list[Path]:
    """Return the programs atc in a directory of CANN, which are one in some releases and links to it in others."""
    names = ("bin/atc", "*-linux/bin/atc", "compiler/bin/atc", "atc/bin/atc")
    return [path for name in names for path in home.glob(name) if path.is_file()]


def _operators() -> str:
    """Return in words that ASCEND_OPP_PATH does not lead to the operators, if so; ATC then fails with E10501."""
    folder = os.environ.get("ASCEND_OPP_PATH", "")
    if folder and Path(folder).is_dir():
        return ""
    return f"ASCEND_OPP_PATH says {folder}, which is not there" if folder else "ASCEND_OPP_PATH is not set"


def _unset(home: Path) -> str:
    """Return in words that directories of CANN are not on a search path on which set_env.sh puts them, if so."""
    for variable, names in _PATHS.items():
        there = [path for name in names for path in home.glob(name) if path.is_dir()]
        on_path = places.search_path(variable)
        if there and not any(
            places.is_below(each, home) or each.resolve() in _targets(there) for each in on_path
        ):
            return (
                f"{variable} has none of CANN's directories, as {there[0]}: it was changed after set_env.sh"
            )
    return ""


def _targets(folders: Sequence[Path]) -> set[Path]:
    return {folder.resolve() for folder in folders}


def _version(here: Path | None) -> Check:
    version = cann.version() or (cann.version_in(here) if here else None)
    if version is None:
        words = "no file that names it" if here else "there is no CANN"
        remedy = f"Install the toolkit again; {here} has none of its files of versions." if here else INSTALL
        return _check(VERSION, Status.MISSING, words, remedy)
    others = [
        f"{found} in {each}"
        for each in places.toolkits()
        if here
        and not places.is_below(each, here)
        and not places.is_below(here, each)
        and (found := cann.version_in(each))
        and found != version
    ]
    words = f"{version} (beside it {', '.join(others)})" if others else version
    return _check(VERSION, Status.OK, words, version=version)


PROBES = (Registered(_probe, _TITLES, Level.QUICK, 30.0, frozenset({VERSION})),)
