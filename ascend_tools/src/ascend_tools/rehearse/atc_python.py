"""The stand-in for the Python that ATC embeds: this one, with the modules that ATC's compiler needs made up.

Source: CANN documentation, "Installing dependencies", which lists the modules. What a fault says is missing cannot be
found in it, also where this Python has it; nothing can be installed into it.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import runpy
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from ascend_tools.rehearse import faults
from ascend_tools.rehearse.faults import MODULES
from ascend_tools.rehearse.machine import atc_python
from ascend_tools.rehearse.stand_in import program

NUMPY2 = "2.1.3"
# By distribution: the version that is made up.
_VERSIONS = {
    "numpy": "1.26.4",
    "decorator": "5.1.1",
    "attrs": "23.2.0",
    "psutil": "5.9.8",
    "absl-py": "2.1.0",
    "scipy": "1.13.1",
    "sympy": "1.12",
    "cffi": "1.16.0",
    "pyyaml": "6.0.1",
    "pathlib2": "2.3.7",
    "protobuf": "3.20.3",
    "requests": "2.31.0",
}
_PLAIN = "IEsSBbduOOxqv"  # options without a value
_VALUED = ("-X", "-W")


class _Made(importlib.metadata.Distribution):
    """A distribution that is made up."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str | None:
        """Return the file METADATA; there is no other."""
        if filename != "METADATA":
            return None
        return f"Metadata-Version: 2.1\nName: {self._name}\nVersion: {_version(self._name)}\n"

    def locate_file(self, path: Any) -> Any:
        """Return where a file of it would be."""
        return Path("atc-python") / path


class _Modules(Loader):
    """Finds the modules that are made up, before Python looks for them itself."""

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        """Return what loads a module of the list."""
        root = name.partition(".")[0]
        if root not in _by_module() or _is_missing(_by_module()[root]):
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module, which has a version and nothing else."""
        module = ModuleType(spec.name)
        distribution = _by_module()[spec.name.partition(".")[0]]
        module.__dict__["__version__"] = _version(distribution)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: it is made."""

    def find_distributions(self, context: Any = None) -> Iterator[_Made]:
        """Yield the distributions of the list that are meant."""
        wanted = getattr(context, "name", None)
        for name in _VERSIONS:
            if not _is_missing(name) and (wanted is None or _plain(wanted) == name):
                yield _Made(name)


class _Hidden:
    """One of Python's own finders, which does not find what is on the list."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return what loads a module."""
        if name.partition(".")[0] in _by_module():
            return None
        found: ModuleSpec | None = self._finder.find_spec(name, path, target)
        return found

    def find_distributions(self, context: Any = None) -> Iterable[importlib.metadata.Distribution]:
        """Yield what is installed."""
        find = getattr(self._finder, "find_distributions", None)
        for found in find(context) if find else ():
            if _plain(str(found.metadata["Name"])) not in _VERSIONS:
                yield found

    def invalidate_caches(self) -> None:
        """Pass it on."""
        getattr(self._finder, "invalidate_caches", lambda: None)()


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _by_module() -> dict[str, str]:
    """Return the distributions by the first part of their modules' names."""
    return {module: name for name, module in MODULES.items()}


def _version(distribution: str) -> str:
    if distribution == "numpy" and faults.is_asked("atc-python:numpy2"):
        return NUMPY2
    return _VERSIONS.get(distribution, "")


def _is_missing(distribution: str) -> bool:
    return faults.is_asked(f"atc-python:{distribution}")


def failure() -> str | None:
    """Return what Python says to ATC, which imports its compiler, where a fault keeps it from that."""
    for name, module in MODULES.items():
        if _is_missing(name):
            return f"ModuleNotFoundError: No module named '{module}'."
    if faults.is_asked("atc-python:numpy2"):
        return "AttributeError: `np.float_` was removed in the NumPy 2.0 release. Use `np.float64` instead.."
    return None


@program
def main(argv: Sequence[str]) -> int:
    """Run Python code, a module or a file, as Python itself does: -c CODE, -m NAME, FILE or standard input."""
    words = list(argv)
    while words and words[0].startswith("-") and words[0][1:2] in _PLAIN + "XW" and words[0] != "-":
        valued = words.pop(0) in _VALUED
        del words[: int(valued)]
    if words[:1] in (["-V"], ["--version"]):
        print(f"Python {platform.python_version()}")
        return 0
    sys.meta_path[:] = [_Modules(), *map(_Hidden, sys.meta_path)]
    sys.executable = str(atc_python())
    for name in [name for name in sys.modules if name.partition(".")[0] in _by_module()]:
        del sys.modules[name]
    _run(words)
    return 0


def _run(words: list[str]) -> None:
    kind = words.pop(0) if words else "-"
    if kind == "-m":
        if words[:1] in (["pip"], ["ensurepip"]):
            raise SystemExit(
                "rehearsal: the Python that ATC embeds is a stand-in; nothing can be installed into it."
            )
        sys.argv = words
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    elif kind in ("-c", "-"):
        code = words.pop(0) if kind == "-c" else sys.stdin.read()
        sys.argv = [kind, *words]
        names = {"__name__": "__main__", "__builtins__": __builtins__}
        exec(compile(code, "<string>", "exec"), names)  # noqa: S102  what Python does
    else:
        sys.argv = [kind, *words]
        sys.path.insert(0, os.path.dirname(os.path.abspath(kind)))  # noqa: PTH100, PTH120
        runpy.run_path(kind, run_name="__main__")


if __name__ == "__main__":
    raise SystemExit(main())
