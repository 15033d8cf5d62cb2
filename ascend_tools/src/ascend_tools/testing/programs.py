"""Outside programs that cannot be had, put on PATH as small programs that check their arguments."""

from __future__ import annotations

import os
import shlex
import sys

import pytest


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put an executable Python script on PATH, before everything else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def write(name, source):
        path, script = folder / name, folder / f"{name}.py"
        script.write_text(source, encoding="utf-8")
        words = shlex.join([sys.executable, "-S", str(script)])  # a #! line takes no long path and no space
        path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def npu_smi(program):
    """Put an `npu-smi` on PATH that knows `npu-smi info` alone and prints the table given."""

    def write(table, code=0):
        program(
            "npu-smi",
            "import sys\n"
            "if sys.argv[1:] != ['info']:\n"
            "    sys.exit(2)\n"
            f"print({table!r})\n"
            f"sys.exit({code})\n",
        )

    return write


@pytest.fixture
def nothing_on_path(tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
