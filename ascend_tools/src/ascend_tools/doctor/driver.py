"""The NPU's driver: whether its library is found and loads, and which version it is."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from ascend_tools.doctor import children, places
from ascend_tools.doctor.check import Check, Level, Registered, Status
from ascend_tools.doctor.children import ask_python
from common import rehearsal
from common.npu_tools import cann

_SECONDS = 20.0  # a driver that hangs never answers
LIBRARY, VERSION = "driver.library", "driver.version"
_TITLES = {LIBRARY: "Library of the driver", VERSION: "Version of the driver"}
INSTALL = (
    "Install the driver and the firmware of the card, from the vendor's support site, and restart; in a container, mount "
    "it: docker run -v /usr/local/Ascend/driver:/usr/local/Ascend/driver ..."
)
_BROKEN = (
    "Install the driver again, the one for this processor and this system; after an upgrade, restart the machine. In a "
    "container, mount all of /usr/local/Ascend/driver, of the host that it runs on."
)
# Loads the library as a program does, and says which file that was.
_LOAD = """
import ctypes, json, sys
found = {}
try:
    ctypes.CDLL(sys.argv[1])
    lines = open("/proc/self/maps").read().splitlines()
    paths = [line.split(None, 5)[5] for line in lines if sys.argv[1] in line and len(line.split(None, 5)) > 5]
    found["path"] = paths[0] if paths else ""
except OSError as error:
    found["problem"] = str(error)
print()
print(json.dumps(found))
"""
# CANN's release to the oldest driver that the vendor's tables of compatibility name with it, rather too old than too new.
_OLDEST = {6: 21, 7: 22, 8: 23, 9: 24}
_FORMS = (
    re.compile(r"^package_version\s*=\s*(\S+)", re.MULTILINE),
    re.compile(r"^Version\s*=\s*(\S+)", re.MULTILINE | re.IGNORECASE),
)


def _probe() -> Sequence[Check]:
    return [_library(), _version()]


def _check(each: str, status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(each, _TITLES[each], status, found, remedy, each == LIBRARY, details)


def _library() -> Check:
    """Return whether the driver's library is found as programs find it, and loads."""
    folders = places.driver_folders()
    own = [folder / places.HAL for folder in folders if (folder / places.HAL).exists()]
    if rehearsal.is_active():
        return _rehearsed(own)
    answer = ask_python(sys.executable, f"import sys; sys.argv[1:] = [{places.HAL!r}]\n{_LOAD}", _SECONDS)
    said = answer.value if isinstance(answer.value, dict) else {}
    if "path" in said:
        return _loaded(Path(str(said["path"]) or places.HAL), own)
    problem = str(said.get("problem") or answer.problem)
    library = children.missing_library(problem)
    if library == places.HAL and not own:
        return _absent()
    if library == places.HAL:
        words = f"{own[0]} is there, and not found by programs: its directory is not on LD_LIBRARY_PATH"
        return _check(LIBRARY, Status.WRONG, words, export(folders), path=str(own[0]))
    words = (
        f"{own[0] if own else places.HAL} cannot be loaded: {children.library_problem(problem) or problem}"
    )
    return _check(LIBRARY, Status.WRONG, words, (library and export(folders)) or _BROKEN, library=library)


def _loaded(path: Path, own: Sequence[Path]) -> Check:
    """Return what it means that a file was loaded: of the driver, or one of CANN's stand-ins for it."""
    stub = any(word in path.parts for word in ("devlib", "stub"))
    if stub and own:
        words = f"{path} is found before the driver's {own[0]}: it is CANN's stand-in, with which ATC alone can do"
        remedy = export([each.parent for each in own])
        return _check(LIBRARY, Status.WRONG, words, remedy, path=str(path), own=str(own[0]))
    if stub:
        words = f"only CANN's stand-in for it, {path}: ATC can do with it, nothing can be run"
        return _check(LIBRARY, Status.MISSING, words, INSTALL, path=str(path))
    return _check(LIBRARY, Status.OK, str(path), path=str(path))


def _absent() -> Check:
    stubs = [stub for home in (*places.homes(), *places.toolkits()) for stub in places.stub_folders(home)]
    if not stubs:
        return _check(
            LIBRARY, Status.MISSING, f"{places.HAL} is nowhere: no driver is installed here", INSTALL
        )
    words = (
        f"{places.HAL} is nowhere: no driver is installed here. ATC alone can do with CANN's stand-in for it"
    )
    remedy = f"{INSTALL}\nTo convert without one: {stub_export(stubs[0])}"
    return _check(LIBRARY, Status.MISSING, words, remedy, stub=str(stubs[0]))


def _rehearsed(own: Sequence[Path]) -> Check:
    """Return the same of a rehearsal, whose library is a text and is looked for by name alone."""
    if not own:
        return _absent()
    on_path = [folder / places.HAL for folder in places.search_path("LD_LIBRARY_PATH")]
    first = next((path for path in on_path if path.exists()), None)
    if first is None:
        words = f"{own[0]} is there, and its directory is not on LD_LIBRARY_PATH"
        return _check(LIBRARY, Status.WRONG, words, export([own[0].parent]), path=str(own[0]))
    return _loaded(first, own)


def export(folders: Sequence[Path]) -> str:
    """Return the command that puts the driver's directories before all others; "" without any."""
    names = [shlex.quote(str(folder)) for folder in folders if folder != places.ROOT / "usr/lib64"]
    return f"export LD_LIBRARY_PATH={':'.join(names)}:$LD_LIBRARY_PATH" if names else ""


def stub_export(stub: Path) -> str:
    """Return the command that adds CANN's stand-ins for the driver's libraries, after all others."""
    return f"export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:{shlex.quote(os.fspath(stub))}"


def _version() -> Check:
    """Return the versions of driver and firmware, and whether they, and CANN, can belong together."""
    files = dict(reversed(places.version_files()))  # of several, the first place counts
    texts = {name: places.read(path) for name, path in files.items()}
    found = {name: version for name, text in texts.items() if (version := _first(_FORMS, text))}
    if "driver" not in found:
        remedy = "Install the driver, or mount /usr/local/Ascend/driver into the container; npu-smi info shows its version, too."
        return _check(VERSION, Status.MISSING, "no version.info of a driver", remedy, **found)
    driver, firmware = found["driver"], found.get("firmware")
    words = driver + (f", firmware of {firmware}" if firmware and firmware != driver else "")
    release = cann.version()
    least = _OLDEST.get(_leading(release or ""), 0)
    if 0 < _leading(driver) < least:
        words = f"{driver}, older than CANN {release} works with, which is {least}.0 or later"
        remedy = "Install a driver and a firmware of the year of this CANN, then restart the machine; or an older CANN."
        return _check(VERSION, Status.WRONG, words, remedy, **found, cann=release)
    if firmware and not _fit(driver, texts["firmware"]):
        words = f"driver {driver}, firmware of {firmware}: they are of different releases"
        remedy = (
            f"Install the firmware that is released together with driver {driver}, then restart the machine."
        )
        return _check(VERSION, Status.WRONG, words, remedy, **found)
    return _check(VERSION, Status.OK, words, **found)


def _fit(driver: str, firmware: str) -> bool:
    """Tell whether a firmware's version.info names a driver's release as its own, or as one that it goes with."""
    release = re.search(r"^package_version\s*=\s*(\S+)", firmware, re.MULTILINE)
    goes_with = re.search(r"^compatible_version_drv\s*=\s*(\S.*)", firmware, re.MULTILINE)
    series = ".".join(driver.split(".")[:2]).lower()
    if release is None or release[1].lower() == driver.lower():
        return True
    return any(
        word.lower().startswith(series) for word in re.findall(r"[\w.]+", goes_with[1] if goes_with else "")
    )


def _leading(version: str) -> int:
    """Return the number that a version begins with, 0 without one."""
    found = re.match(r"[0-9]{1,3}(?=\.)", version)
    return int(found[0]) if found else 0


def _first(forms: Sequence[re.Pattern[str]], text: str) -> str | None:
    return next((match[1] for form in forms if (match := form.search(text))), None)


PROBES = (Registered(_probe, _TITLES, Level.QUICK, 30.0, frozenset({VERSION})),)
