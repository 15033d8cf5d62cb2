"""What runs an OM file in Python here: ais_bench with aclruntime, or else pyACL."""

from __future__ import annotations

import importlib.machinery
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ascend_tools.doctor import cann, children, places
from ascend_tools.doctor.check import Check, Level, Registered, Status
from ascend_tools.doctor.children import Imported, ask_python
from ascend_tools.doctor.steps import python

SESSION, ACLRUNTIME, AIS_BENCH, PYACL = (
    "inference.session",
    "inference.aclruntime",
    "inference.ais_bench",
    "inference.pyacl",
)
OM = "backend.om"
_TITLES = {
    ACLRUNTIME: "aclruntime",
    AIS_BENCH: "ais_bench",
    PYACL: "pyACL",
    SESSION: "What runs an OM file",
    OM: "Backend om",
}
_SECONDS = 60.0
_BUILD = (
    "git clone https://gitee.com/ascend/tools.git tools-ais_bench && (cd tools-ais_bench/ais-bench_workload/tool/ais_bench "
    "&& {python} -m pip wheel ./backend/ ./ && {python} -m pip install --force-reinstall ./aclruntime-*.whl ./ais_bench-*.whl)"
)
DRIVER = "Install the driver, or put its directory first on LD_LIBRARY_PATH: see the line of its library."
_LEAVES = ("ImportError", "ModuleNotFoundError")  # errors of ais_bench that leave its place to pyACL
_OLD = "0.0.1"  # of which every ais_bench says that it is too old
# What each module must have to be the vendor's; packages of the same names may be others'.
_PARTS = {"aclruntime": "InferenceSession", "ais_bench.infer.interface": "InferSession", "acl": "mdl"}
_OURS = r"""
import importlib, json
found = {}
for name, part in %r.items():
    try:
        found[name] = hasattr(importlib.import_module(name), part)
    except BaseException:
        pass
print()
print(json.dumps(found))
"""


def _probe() -> Sequence[Check]:
    """Return what can be imported, each in a child: a library that crashes ends none but that."""
    rows: dict[str, Imported] = {}
    for package, name in (
        ("aclruntime", "aclruntime"),
        ("ais_bench", "ais_bench.infer.interface"),
        ("acl", "acl"),
    ):
        found = children.imports(sys.executable, {package: name}, _SECONDS)
        rows[package] = Imported(problem=found) if isinstance(found, str) else found[name]
    answer = ask_python(sys.executable, _OURS % (_there(rows),), _SECONDS)
    ours: Mapping[str, object] = answer.value if isinstance(answer.value, dict) else {}
    runtime = _aclruntime(rows["aclruntime"], ours.get("aclruntime") is False)
    bench = _ais_bench(rows["ais_bench"], ours.get("ais_bench.infer.interface") is False, rows["aclruntime"])
    acl = _pyacl(rows["acl"], ours.get("acl") is False)
    return [runtime, bench, acl, *_session(runtime, bench, acl)]


def _there(rows: Mapping[str, Imported]) -> dict[str, str]:
    names = {"aclruntime": "aclruntime", "ais_bench": "ais_bench.infer.interface", "acl": "acl"}
    return {names[package]: _PARTS[names[package]] for package, row in rows.items() if not row.problem}


def _check(each: str, status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(each, _TITLES[each], status, found, remedy, each == SESSION, details)


def build() -> str:
    """Return the command that builds and installs both wheels for this Python."""
    return _BUILD.format(python=python())


def _aclruntime(row: Imported, foreign: bool) -> Check:
    other = _of_another_python()
    if row.absent and other:
        words = f"{other} is for another Python or processor; this is Python {platform.python_version()} on {platform.machine()}"
        return _check(ACLRUNTIME, Status.WRONG, words, build(), command=build())
    if row.absent:
        return _check(ACLRUNTIME, Status.MISSING, "not installed", build(), command=build())
    if foreign:
        return _foreign(ACLRUNTIME, "aclruntime", row)
    return _imported(ACLRUNTIME, row)


def _imported(each: str, row: Imported) -> Check:
    """Return the line of a module that was imported, or that breaks."""
    if not row.problem:
        return _check(each, Status.OK, row.version or "there", version=row.version, file=row.file)
    if row.library:
        remedy, is_command = (DRIVER, False) if row.library == places.HAL else cann.to_source()
        details = {"command": remedy} if is_command else {}
        words = f"cannot be imported: {row.problem}"
        return _check(each, Status.WRONG, words, remedy, library=row.library, **details)
    taken = {} if row.problem.startswith(_LEAVES) else {"taken": True}
    return _check(each, Status.WRONG, f"cannot be imported: {row.problem}", build(), command=build(), **taken)


def _foreign(each: str, name: str, row: Imported) -> Check:
    words = f"{name} {row.version} in {row.file or sys.prefix} is another package of that name, as PyPI may have it"
    command = f"{python()} -m pip uninstall -y {name} && {build()}"
    return _check(each, Status.WRONG, words, command, command=command)


def _of_another_python() -> str:
    """Return the compiled file of an aclruntime on Python's path that is not for this Python, "" without one."""
    suffixes = importlib.machinery.EXTENSION_SUFFIXES
    for place in (*map(Path, sys.path), *places.search_path("PYTHONPATH")):
        try:
            names = sorted(path.name for path in place.glob("aclruntime*.so"))
        except OSError:
            continue
        for name in names:
            if not any(name == f"aclruntime{suffix}" for suffix in suffixes):
                return os.fspath(place / name)
    return ""


def _ais_bench(row: Imported, foreign: bool, runtime: Imported) -> Check:
    if foreign or (row.absent and _has_package("ais_bench")):
        return _foreign(AIS_BENCH, "ais_bench", row)
    if row.absent:
        lacks = " (aclruntime alone has no program and no InferSession)" if not runtime.problem else ""
        return _check(AIS_BENCH, Status.MISSING, f"not installed{lacks}", build(), command=build())
    if runtime.absent and row.problem:
        words = "installed without aclruntime, its compiled half"
        return _check(AIS_BENCH, Status.WRONG, words, build(), command=build())
    if row.problem:
        return _imported(AIS_BENCH, row)
    if runtime.version and runtime.version != row.version and (row.version or runtime.version == _OLD):
        words = f"{row.version} with aclruntime {runtime.version}: the two have to be of the same version".lstrip()
        return _check(AIS_BENCH, Status.WRONG, words, build(), command=build(), taken=True)
    return _imported(AIS_BENCH, row)


def _has_package(name: str) -> bool:
    found = children.imports(sys.executable, {name: name}, _SECONDS)
    return not isinstance(found, str) and not found[name].absent


def _pyacl(row: Imported, foreign: bool) -> Check:
    command, is_command = cann.to_source()
    if row.absent:
        details = {"command": command} if is_command else {}
        return _check(
            PYACL,
            Status.MISSING,
            "no module acl: CANN brings it, set_env.sh puts it on PYTHONPATH",
            command,
            **details,
        )
    if foreign:
        words = f"acl in {row.file} is another package of that name"
        remedy = f"{python()} -m pip uninstall -y acl" + (f" && {command}" if is_command else "")
        return _check(PYACL, Status.WRONG, words, remedy, command=remedy)
    if row.problem and not row.library:
        words = f"cannot be imported: {row.problem}"
        remedy = f"Use a Python that this CANN's acl is built for; {sys.executable} is {platform.python_version()}."
        return _check(PYACL, Status.WRONG, words, remedy)
    return _imported(PYACL, row)


def _command(check: Check) -> dict[str, Any]:
    return {name: check.details[name] for name in ("command",) if name in check.details}


def _session(runtime: Check, bench: Check, acl: Check) -> tuple[Check, ...]:
    """Return which library an OM file is run by: ais_bench, or else pyACL, as `common.backends` takes them.

    One that can be imported is taken though it does not fit; one that cannot leaves the place to the next.
    """
    ok = Status.OK
    if runtime.status is ok and bench.status is ok:
        taken = f"ais_bench {bench.found}"
    elif bench.details.get("taken"):
        words = f"ais_bench, which is not as it should be: {bench.found}"
        return tuple(
            _check(each, Status.WRONG, words, bench.remedy, **_command(bench)) for each in (SESSION, OM)
        )
    elif acl.status is ok:
        taken = "pyACL"
    else:
        there = [check for check in (runtime, bench, acl) if check.status is Status.WRONG]
        first = next(iter(there), acl)
        words = f"neither ais_bench with aclruntime nor pyACL: {first.title}: {first.found}"
        return tuple(
            _check(each, first.status, words, first.remedy, **_command(first)) for each in (SESSION, OM)
        )
    return _check(SESSION, ok, taken, library=taken), _check(
        OM, ok, f"OM files are run by {taken}", library=taken
    )


_OPTIONAL = frozenset(_TITLES) - {SESSION}
PROBES = (
    Registered(
        _probe,
        {each: _TITLES[each] for each in (ACLRUNTIME, AIS_BENCH, PYACL, SESSION, OM)},
        Level.DEFAULT,
        200.0,
        _OPTIONAL,
    ),
)
