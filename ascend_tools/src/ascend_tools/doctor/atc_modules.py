"""The packages that ATC's compiler imports, in the Python that ATC embeds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ascend_tools.doctor import atc_python, cann, children, places
from ascend_tools.doctor.atc_python import OWN, PYTHON, SECONDS, Python
from ascend_tools.doctor.check import Check, Registered, Status
from common import rehearsal

MODULES, NUMPY = "atc.modules", "atc.numpy"
_TITLES = {PYTHON: atc_python.TITLE, MODULES: "Python packages of ATC", NUMPY: "numpy of ATC"}
# Package to what it is imported as: CANN documentation, "Installing dependencies". numpy is looked at by itself.
NEEDED: Mapping[str, str] = {
    "decorator": "decorator",
    "attrs": "attr",
    "psutil": "psutil",
    "absl-py": "absl",
    "scipy": "scipy",
    "sympy": "sympy",
    "cffi": "cffi",
    "pyyaml": "yaml",
    "pathlib2": "pathlib2",
    "protobuf": "google.protobuf",
    "requests": "requests",
}
_NUMPY = {"numpy": "numpy"}


def _probe() -> Sequence[Check]:
    pythons, problem = atc_python.pythons()
    if not pythons:
        remedy = "Install a Python 3.8 to 3.11 for ATC with its shared library, and put it first on PATH."
        rest = "there is no Python of ATC to be asked"
        return [
            _check(PYTHON, Status.MISSING, problem, remedy),
            *(_check(each, Status.MISSING, rest, remedy) for each in (MODULES, NUMPY)),
        ]
    return [atc_python.check(pythons), *_packages(pythons)]


def _check(each: str, status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(each, _TITLES[each], status, found, remedy, each != PYTHON, details)


def _packages(pythons: Sequence[Python]) -> list[Check]:
    """Return what is missing of the packages, and which numpy there is, in the Pythons that ATC may embed."""
    wanted = {**_NUMPY, **NEEDED}
    meant = pythons if pythons[0].conda else pythons[:1]
    found = [(each, children.imports(each.path, wanted, SECONDS)) for each in meant]
    modules = [_modules(each, rows) for each, rows in found]
    numpy = [_numpy(each, rows) for each, rows in found]
    return [
        next((check for check in checks if check.status is not Status.OK), checks[0])
        for checks in (modules, numpy)
    ]


_AGAIN = "Put a python3 that works first on PATH, with the packages that ATC needs."


def _modules(python: Python, rows: Mapping[str, children.Imported] | str) -> Check:
    if isinstance(rows, str):
        return _check(MODULES, Status.WRONG, f"{python.words} cannot be asked: {rows}", _AGAIN)
    missing = [package for package, name in NEEDED.items() if rows[name].absent]
    broken = {
        package: rows[name]
        for package, name in NEEDED.items()
        if rows[name].problem and not rows[name].absent and not _by_numpy(rows[name], rows["numpy"])
    }
    own = [name for name in OWN if python.own.get(name) is False and _has_own()]
    versions = {package: rows[name].version for package, name in NEEDED.items() if rows[name].version}
    if missing or broken:
        said = [f"{', '.join(missing)} missing"] if missing else []
        said += [f"{package} broken: {each.problem}" for package, each in broken.items()]
        again = ["--force-reinstall", *broken] if broken else []
        command = python.install([*again, *missing])
        status = Status.MISSING if missing else Status.WRONG
        return _check(
            MODULES,
            status,
            f"in {python.words}: {'; '.join(said)}",
            python.remedy(command),
            **python.command(command),
            missing=missing,
            broken=list(broken),
        )
    if own:
        command, _ = cann.to_source()
        words = f"in {python.words}: {' and '.join(own)} not found, which are CANN's own, through PYTHONPATH"
        return _check(MODULES, Status.MISSING, words, command, missing=own)
    return _check(MODULES, Status.OK, f"all {len(NEEDED)} in {python.words}", versions=versions)


def _by_numpy(row: children.Imported, numpy: children.Imported) -> bool:
    """Tell whether a module breaks for its numpy, which has a line of its own."""
    return "numpy" in row.problem and (bool(numpy.problem) or not numpy.version.startswith("1."))


def _has_own() -> bool:
    """Tell whether there is a CANN whose packages have to be found; without one, that is said elsewhere."""
    if rehearsal.is_active():
        return True
    names = (
        "python/site-packages/te",
        "python/site-packages/tbe",
        "opp/built-in/op_impl/ai_core/tbe",
        "atc/python/site-packages/te",
    )
    return any((home / name).is_dir() for home in (*places.homes(), *places.toolkits()) for name in names)


def _numpy(python: Python, rows: Mapping[str, children.Imported] | str) -> Check:
    if isinstance(rows, str):
        return _check(NUMPY, Status.WRONG, f"{python.words} cannot be asked: {rows}", _AGAIN)
    found = rows["numpy"]
    command = python.install(["numpy<2"])
    if found.absent:
        return _check(
            NUMPY,
            Status.MISSING,
            f"none in {python.words}",
            python.remedy(command),
            **python.command(command),
        )
    if found.problem:
        command = python.install(["--force-reinstall", "numpy<2"])
        remedy = python.remedy(command)
        return _check(
            NUMPY, Status.WRONG, f"in {python.words}: {found.problem}", remedy, **python.command(command)
        )
    major = re.match(r"[0-9]{1,4}", found.version)
    if major is None or int(major[0]) >= 2:
        words = f"{found.version or 'of an unknown version'} in {python.words}: ATC's compiler uses np.float_, which numpy 2 has not"
        return _check(
            NUMPY,
            Status.WRONG,
            words,
            python.remedy(command),
            **python.command(command),
            version=found.version,
        )
    return _check(NUMPY, Status.OK, f"{found.version} in {python.words}", version=found.version)


PROBES = (Registered(_probe, _TITLES, seconds=180.0, optional=frozenset({PYTHON})),)
