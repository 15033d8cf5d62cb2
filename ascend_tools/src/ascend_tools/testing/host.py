"""A machine of one's own for the doctor's checks: its root directory, home and environment, its CANN and its Pythons."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from pathlib import Path

import pytest

from ascend_tools.doctor import places
from common import rehearsal

# What set_env.sh, a container and a user set, and what the doctor therefore looks at.
VARIABLES = (
    "ASCEND_TOOLKIT_HOME",
    "ASCEND_HOME_PATH",
    "ASCEND_OPP_PATH",
    "LD_LIBRARY_PATH",
    "PYTHONPATH",
    "TE_PARALLEL_COMPILER",
    "MAX_COMPILE_CORE_NUMBER",
    rehearsal.VARIABLE,
)
MODULES = (
    "decorator",
    "attr",
    "psutil",
    "absl",
    "scipy",
    "sympy",
    "cffi",
    "yaml",
    "pathlib2",
    "google.protobuf",
    "requests",
)


class Host:
    """Writes what a machine has below its root; what programs find is set by environment variables."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.bin, self._monkeypatch = root, root / "bin", monkeypatch
        self.bin.mkdir(parents=True)

    def file(self, name: str, text: str = "") -> Path:
        """Write a file below the root, and the directories above it."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def program(self, name: str, source: str, folder: str = "bin") -> Path:
        """Write an executable Python script, by default into the first directory on PATH."""
        script = self.file(f"scripts/{folder}/{name}.py", source)
        path = self.file(
            f"{folder}/{name}", f'#!/bin/sh\nexec {shlex.join([sys.executable, "-S", str(script)])} "$@"\n'
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def shell(self, name: str, source: str, folder: str = "bin") -> Path:
        """Write an executable shell script."""
        path = self.file(f"{folder}/{name}", f"#!/bin/sh\n{source}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def set(self, name: str, *values: object) -> None:
        """Set a variable of the environment, with colons between several values."""
        self._monkeypatch.setenv(name, os.pathsep.join(map(str, values)))

    def unset(self, name: str) -> None:
        self._monkeypatch.delenv(name, raising=False)

    def cann(self, place: str = "usr/local/Ascend/ascend-toolkit/latest", version: str = "8.0.RC2") -> Path:
        """Install a CANN, without its settings in the environment."""
        home = (self.root / place).resolve()
        arch = places.arch()
        self.file(f"{place}/{arch}-linux/ascend_toolkit_install.info", f"version={version}\n")
        self.file(
            f"{place}/../set_env.sh" if place.endswith("latest") else f"{place}/set_env.sh", "# settings\n"
        )
        self.program("atc", "print('usage: atc --model FILE --framework 5')\n", folder=f"{place}/bin")
        for name in ("opp", "lib64", "python/site-packages/te", "python/site-packages/tbe"):
            (home / name).mkdir(parents=True)
        for name in ("te", "tbe"):
            (home / "python/site-packages" / name / "__init__.py").touch()
        return home

    def source(self, home: Path) -> None:
        """Make the settings that the set_env.sh of a CANN makes."""
        for name in places.HOMES:
            self.set(name, home)
        self.set("ASCEND_OPP_PATH", home / "opp")
        self.set("PATH", home / "bin", os.environ["PATH"])
        self.set("LD_LIBRARY_PATH", home / "lib64")
        self.set("PYTHONPATH", home / "python/site-packages")

    def python(
        self,
        folder: str = "bin",
        *,
        lacks: tuple[str, ...] = (),
        numpy: str = "1.26.4",
        conda: bool = False,
        **sources: str,
    ) -> Path:
        """Write a python3 that has ATC's packages, made up, but those that it lacks; `sources` are some modules' texts."""
        packages = self.root / folder / "packages"
        for name in (*MODULES, "numpy"):
            if name in lacks:
                continue
            for part in range(1, len(name.split(".")) + 1):
                module = packages.joinpath(*name.split(".")[:part])
                module.mkdir(parents=True, exist_ok=True)
                (module / "__init__.py").touch()
            version = f"__version__ = {numpy if name == 'numpy' else '1.0'!r}\n"
            packages.joinpath(*name.split(".")).joinpath("__init__.py").write_text(
                sources.get(name, version), encoding="utf-8"
            )
        words = shlex.join(
            [str(Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info[1]}"), "-I", "-S", "-c"]
        )
        begin = f"import sys; sys.path[:0] = [{str(packages)!r}, *__import__('os').environ.get('PYTHONPATH', '').split(':')]\n"
        if conda:
            (self.root / folder / "prefix" / "conda-meta").mkdir(parents=True)
            begin += f"sys.prefix = {str(self.root / folder / 'prefix')!r}\n"
        # Only `-c CODE` is known, which is what the doctor asks with.
        self.file(f"{folder}/begin.py", begin)
        return self.shell(
            "python3",
            f'exec {words} "$(cat {shlex.quote(str(self.root / folder / "begin.py"))})\n$2"',
            folder=folder,
        )

    def package(self, name: str, text: str, version: str = "", distribution: str = "") -> Path:
        """Put a module on the path of this Python, as a fake of one that cannot be had, and what pip knows of it."""
        folder = self.root / "site"
        path = self.file(f"site/{name.replace('.', '/')}.py", text)
        if version:
            named = distribution or name
            self.file(
                f"site/{named}-{version}.dist-info/METADATA",
                f"Metadata-Version: 2.1\nName: {named}\nVersion: {version}\n",
            )
        self.set("PYTHONPATH", folder)
        self._monkeypatch.syspath_prepend(str(folder))
        return path


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A machine without anything: no CANN, no driver, nothing on PATH but the system's tools."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    made = Host(tmp_path / "root", monkeypatch)
    monkeypatch.setattr(places, "ROOT", made.root)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "tools").mkdir()
    for name in ("sh", "cat", "env"):
        (tmp_path / "tools" / name).symlink_to(
            f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}"
        )
    monkeypatch.setenv("PATH", f"{made.bin}{os.pathsep}{tmp_path / 'tools'}")
    return made


def checks(module) -> dict:
    """Run all probes of a module of the doctor's and return their lines by id; every remedy is one that helps."""
    found = {check.id: check for probe in module.PROBES for check in probe.checked()}
    assert not [each for each in found.values() if "The check itself failed" in each.remedy], found
    return found
