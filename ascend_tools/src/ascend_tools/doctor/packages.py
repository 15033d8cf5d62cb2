"""This Python, and the packages that the commands need."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence

from ascend_tools.doctor import children
from ascend_tools.doctor.check import Check, Level, Registered, Status
from ascend_tools.doctor.steps import python

PYTHON, PACKAGES = "python.version", "python.packages"
_TITLES = {PYTHON: "Python", PACKAGES: "Packages of the commands"}
_OLDEST, _NEWEST = (3, 10), (3, 13)
_SECONDS = 60.0
# Package to what it is imported as: what ascend-guides-common and ascend-guides-tools depend on.
_NEEDED = {
    "numpy": "numpy",
    "onnx": "onnx",
    "msgspec": "msgspec",
    "opencv-python-headless": "cv2",
    "pysimdjson": "simdjson",
    "simplejpeg": "simplejpeg",
    "tqdm": "tqdm",
    "psutil": "psutil",
    **({"tomli": "tomli"} if sys.version_info < (3, 11) else {}),
}


def _python() -> Sequence[Check]:
    version = sys.version_info[:2]
    words = f"{platform.python_version()}, {sys.executable}"
    details = {"version": platform.python_version(), "path": sys.executable}
    if not _OLDEST <= version <= _NEWEST:
        remedy = "Make an environment with a Python of 3.10 to 3.13: python3.12 -m venv env, then install what is needed into it."
        return [
            Check(
                PYTHON,
                _TITLES[PYTHON],
                Status.WRONG,
                f"{words}: 3.10 to 3.13 are supported",
                remedy,
                False,
                details,
            )
        ]
    return [Check(PYTHON, _TITLES[PYTHON], Status.OK, words, "", False, details)]


def _packages() -> Sequence[Check]:
    """Return which of the packages that the commands need cannot be imported."""
    rows = children.imports(sys.executable, _NEEDED, _SECONDS)
    if isinstance(rows, str):
        remedy = "Make an environment anew: python3 -m venv env"
        return [
            Check(
                PACKAGES, _TITLES[PACKAGES], Status.WRONG, f"{sys.executable}: {rows}", remedy, required=False
            )
        ]
    missing = [package for package, name in _NEEDED.items() if rows[name].absent]
    broken = {
        package: rows[name]
        for package, name in _NEEDED.items()
        if rows[name].problem and not rows[name].absent
    }
    versions = {package: rows[name].version for package, name in _NEEDED.items() if rows[name].version}
    if not missing and not broken:
        words = f"all {len(_NEEDED)}, numpy {versions.get('numpy', '?')}, onnx {versions.get('onnx', '?')}"
        return [
            Check(
                PACKAGES,
                _TITLES[PACKAGES],
                Status.OK,
                words,
                "",
                required=False,
                details={"versions": versions},
            )
        ]
    words = "; ".join(
        [
            *([f"missing: {', '.join(missing)}"] if missing else []),
            *(f"{name}: {row.problem}" for name, row in broken.items()),
        ]
    )
    command = f"{python()} -m pip install {' '.join([*(['--force-reinstall', *broken] if broken else []), *missing])}"
    if any(row.library.startswith("libGL.") for row in broken.values()):  # of OpenCV's package with windows
        command = f"{python()} -m pip uninstall -y opencv-python opencv-contrib-python && {command}"
    status = Status.MISSING if missing else Status.WRONG
    details = {"versions": versions, "missing": missing, "broken": list(broken), "command": command}
    return [Check(PACKAGES, _TITLES[PACKAGES], status, words, command, required=False, details=details)]


PROBES = (
    Registered(_python, {PYTHON: _TITLES[PYTHON]}, Level.QUICK, optional=frozenset({PYTHON})),
    Registered(_packages, {PACKAGES: _TITLES[PACKAGES]}, seconds=150.0, optional=frozenset({PACKAGES})),
)
