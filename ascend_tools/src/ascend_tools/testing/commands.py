"""Running a model directory's scripts, in this process or as a user does."""

from __future__ import annotations

import functools
import importlib
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.report import page


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status and what it printed."""

    returncode: int
    stdout: str
    stderr: str


def call(folder: Path, script: str, *arguments: object, capsys, monkeypatch, cwd: Path | None = None) -> Done:
    """Call the `main` of a script of a model directory, or of a command of `common` or `ascend_tools`, in this process."""
    name = script.removeprefix("./").removesuffix(".py")
    if re.fullmatch(r"ascend_tools\.\w+", name):  # a package
        name += ".__main__"
    monkeypatch.chdir(cwd or folder)
    monkeypatch.setattr(sys, "argv", [script])
    monkeypatch.setattr(page, "is_installed", lambda: False)  # a page takes seconds, and is tried by itself
    main = importlib.import_module(name).main
    capsys.readouterr()
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as ended:  # argparse's
        code = ended.code or 0
    printed = capsys.readouterr()
    return Done(int(code), printed.out, printed.err)


def runner(folder: Path):
    """Return two fixtures, `run` and `spawn`, that run a script of a model directory or a module of `common` there.

    `run("evaluate.py", ...)` calls its `main` in this process, which saves seconds of imports; `spawn` starts Python.
    """

    @pytest.fixture
    def run(capsys, monkeypatch):
        return functools.partial(call, folder, capsys=capsys, monkeypatch=monkeypatch)

    @pytest.fixture
    def spawn():
        def call(script: str, *arguments: object, **options) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, *words(script), *map(str, arguments)]
            options = {"cwd": folder, "capture_output": True, "text": True, "check": False, **options}
            return subprocess.run(command, **options)  # noqa: PLW1510  in the options

        return call

    return run, spawn


def words(script: str) -> list[str]:
    """Return how Python is asked for a script, or for a module of `common` or `ascend_tools`."""
    return [script] if script.endswith(".py") else ["-m", script]
