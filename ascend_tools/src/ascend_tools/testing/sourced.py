"""A rehearsal of the NPU's tools, written once, with all settings that its set_env.sh makes."""

from __future__ import annotations

import os
import platform

import pytest

from ascend_tools.rehearse import faults, layout, settings
from common import rehearsal


@pytest.fixture(scope="session")
def rehearsal_folder(tmp_path_factory):
    """The directory of a rehearsal of two chips."""
    folder = tmp_path_factory.mktemp("rehearsal") / "of two chips"
    layout.write(folder, settings.Settings(settings.SOC, chips=2))
    return folder


@pytest.fixture
def sourced(rehearsal_folder, monkeypatch):
    """Set up a rehearsal, in this process and those it starts; called with the names of faults, it asks for them."""
    arch = f"{platform.machine()}-linux"
    for name in (rehearsal.VARIABLE, "ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH", "ASCEND_AICPU_PATH"):
        monkeypatch.setenv(name, str(rehearsal_folder))
    monkeypatch.setenv("ASCEND_OPP_PATH", str(rehearsal_folder / "opp"))
    monkeypatch.setenv("PATH", str(rehearsal_folder / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(rehearsal_folder / "python"), prepend=os.pathsep)
    for name in ("driver", arch):
        monkeypatch.setenv("LD_LIBRARY_PATH", str(rehearsal_folder / name / "lib64"), prepend=os.pathsep)
    monkeypatch.delenv("ASCEND_PROCESS_LOG_PATH", raising=False)
    monkeypatch.delenv(faults.VARIABLE, raising=False)

    def ask(*names):
        monkeypatch.setenv(faults.VARIABLE, ",".join(names))

    return ask
