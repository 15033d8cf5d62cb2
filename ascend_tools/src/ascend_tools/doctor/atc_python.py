"""The Python that ATC embeds: which of those on PATH it is, and whether its library can be loaded.

Source: CANN's own te_fusion, py_decouple.cc: `python3 -V` tells the version, `python3-config --prefix` or LD_LIBRARY_PATH
the place of libpython3.Y.so.1.0, which is loaded into ATC. It then finds its packages as the first `python3` on PATH does,
those of a virtual environment included (tried with Python 3.7 and 3.11). CANN documentation and users say of some releases
that the system's python3 is taken where conda's is the first: there, both are looked at.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ascend_tools.doctor import children, places
from ascend_tools.doctor.check import Check, Status
from ascend_tools.doctor.children import ask_python
from common import rehearsal

PYTHON = "atc.python"
TITLE = "Python of ATC"
SECONDS = 40.0  # for a child of it
OWN = ("te", "tbe")  # CANN's own, found through PYTHONPATH
_DESCRIBE = """
import importlib.util, json, os, sys, sysconfig
def there(name):
    try:
        return importlib.util.find_spec(name) is not None
    except Exception:
        return False
print()
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "prefix": sys.prefix,
    "venv": sys.prefix != sys.base_prefix,
    "conda": os.path.isdir(os.path.join(sys.prefix, "conda-meta")),
    "library": sysconfig.get_config_var("LIBDIR") or "",
    "managed": os.path.exists(os.path.join(sysconfig.get_path("stdlib") or "", "EXTERNALLY-MANAGED")),
    "pip": there("pip"),
    "own": {name: there(name) for name in %r},
}))
"""
_LOADS = """
import ctypes, json, os, sys
found = ""
for name in %r:
    try:
        ctypes.CDLL(name)
        found = name
        break
    except OSError:
        pass
print()
print(json.dumps({"found": found}))
"""


@dataclass(frozen=True)
class Python:
    """A python3 on PATH, as it describes itself."""

    path: str
    version: tuple[int, int]
    kind: str  # "" of the system's, else what it is
    conda: bool
    library: str
    managed: bool
    pip: bool
    own: Mapping[str, bool]

    @property
    def words(self) -> str:
        """What messages call it."""
        return (
            f"{self.path} (Python {self.version[0]}.{self.version[1]}{f', {self.kind}' if self.kind else ''})"
        )

    @property
    def ours(self) -> bool:
        """Whether it is the environment that these commands run in, which need newer packages than ATC does."""
        return bool(self.kind) and Path(self.path).parent == Path(sys.executable).parent

    def remedy(self, command: str) -> str:
        """Return a command, and what to do instead where it would change an environment that others use."""
        if rehearsal.is_active() or not self.kind:
            return command
        if self.ours:
            return (
                "Leave this environment as it is, and have another python3, with what ATC needs, first on PATH where ATC is run: "
                f"PATH=/usr/bin:$PATH {shlex.quote(sys.executable)} -m common.atc --batch-size 1"
            )
        return f"{command}\nor have another python3 first on PATH in the shell that ATC is run in"

    def command(self, command: str) -> dict[str, str]:
        """Return the detail that names a command, unless `remedy` says something else."""
        return {} if self.ours and not rehearsal.is_active() else {"command": command}

    def install(self, packages: Iterable[str]) -> str:
        """Return the command that installs packages into it, also where its system asks to leave it alone."""
        quoted = (f'"{each}"' if "<" in each else each for each in packages)
        force = " --break-system-packages" if self.managed and not self.kind else ""
        pip = f"{shlex.quote(self.path)} -m pip install{force} {' '.join(quoted)}"
        if self.pip:
            return pip
        return f"{'apt-get install -y python3-pip' if self.managed else f'{shlex.quote(self.path)} -m ensurepip'} && {pip}"


def pythons() -> tuple[list[Python], str]:
    """Return the Pythons that ATC may embed, the one that it does first, or why there is none.

    These are the first python3 on PATH, and where that is conda's, the first one that is no environment's.
    """
    if rehearsal.is_active():
        found = _described(str(places.atc_python()))
        return ([replace(found, kind="a stand-in")], "") if isinstance(found, Python) else ([], found)
    pythons: list[Python] = []
    problem = "no python3 on PATH"
    for path in _on_path():
        found = _described(path)
        if isinstance(found, str):
            problem = found
            if not pythons:
                break
        elif not pythons or not found.kind:
            pythons.append(found)
            if not found.kind:
                break
    return pythons, problem


def _on_path() -> list[str]:
    places_of = (folder / "python3" for folder in places.search_path("PATH"))
    there = dict.fromkeys(str(path) for path in places_of if path.is_file() and os.access(path, os.X_OK))
    return list(there)[:8]


def _described(path: str) -> Python | str:
    """Return a Python as it describes itself, or why it does not."""
    answer = ask_python(path, _DESCRIBE % (OWN,), SECONDS)
    said = answer.value if isinstance(answer.value, dict) else {}
    version = said.get("version")
    if (
        not isinstance(version, list)
        or len(version) != 3
        or not all(isinstance(part, int) for part in version)
    ):
        return f"{path} does not work: {answer.problem or 'it answers something else than it is asked for'}"
    kind = (
        "of a conda environment" if said.get("conda") else "a virtual environment" if said.get("venv") else ""
    )
    own = said.get("own")
    return Python(
        path,
        (version[0], version[1]),
        kind,
        bool(said.get("conda")),
        str(said.get("library") or ""),
        bool(said.get("managed")),
        bool(said.get("pip")),
        own if isinstance(own, dict) else {},
    )


def _check(status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(PYTHON, TITLE, status, found, remedy, required=False, details=details)


def check(found: Sequence[Python]) -> Check:
    """Return which Python that is, and whether its library, which ATC loads, can be found."""
    first = found[0]
    details = {"path": first.path, "version": ".".join(map(str, first.version))}
    if rehearsal.is_active():
        return _check(Status.OK, first.words, **details)
    words = first.words + (", the first python3 on PATH" if first.kind else "")
    if len(found) > 1:
        words += f", not {found[1].words}" + ("; by some releases of CANN that one" if first.conda else "")
    name = f"libpython3.{first.version[1]}{'m' if first.version < (3, 8) else ''}.so.1.0"
    if first.version < (3, 7):
        remedy = "Put a python3 of 3.8 to 3.11 first on PATH, with CANN's packages in it."
        return _check(Status.WRONG, f"{words}: ATC takes 3.7 or later", remedy, **details)
    if _loads(name):
        return _check(Status.OK, words, **details)
    there = Path(first.library) / name
    if first.library and there.is_file():
        command = f"export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:{shlex.quote(first.library)}"
        return _check(
            Status.WRONG,
            f"{words}: ATC loads {name}, which is not found though it is {there}",
            command,
            command=command,
            **details,
        )
    remedy = f"Install the shared library of that Python (Debian: apt-get install libpython3.{first.version[1]}), or put one that has it first on PATH."
    return _check(
        Status.WRONG, f"{words}: ATC loads {name}, which that Python does not have", remedy, **details
    )


def _loads(name: str) -> bool:
    """Tell whether ATC finds Python's library as it looks for it: beside `python3-config --prefix`, else as programs do."""
    ran = children.run(["python3-config", "--prefix"], 10.0)
    prefix = children.last_line(ran.printed) if ran.status == 0 else ""
    names = [*([str(Path(prefix) / "lib" / name)] if prefix else []), name]
    answer = ask_python(sys.executable, _LOADS % names, 20.0)
    return isinstance(answer.value, dict) and bool(answer.value.get("found"))
