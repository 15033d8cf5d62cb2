"""What a rehearsal's machine has besides CANN, and the Python that ATC embeds."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from ascend_tools.rehearse import layout, machine, settings
from ascend_tools.rehearse.faults import MODULES
from common import rehearsal


@pytest.fixture
def ask(sourced, rehearsal_folder):
    """Run words of Python's in the Python that ATC embeds."""

    def call(*words, **options):
        program = rehearsal_folder / "atc-python" / "python3"
        return subprocess.run(
            [program, *words], capture_output=True, text=True, check=False, timeout=60, **options
        )

    return call


@pytest.mark.parametrize(
    ("asked", "seen"),
    [("0,2,3", [0, 2, 3]), ("3", [3]), ("1, 2", [1]), ("1,4,2", [1]), ("1,-1,2", [1]), ("", []), ("all", [])],
)
def test_what_a_process_may_use_ends_where_a_word_is_no_chips_number(sourced, monkeypatch, asked, seen):
    given = settings.Settings(chips=4)
    assert machine.visible(given) == [0, 1, 2, 3]
    monkeypatch.setenv(machine.VISIBLE, asked)
    assert machine.visible(given) == seen


def test_the_nodes_are_those_of_the_chips(sourced, tmp_path):
    names = {path.name for path in machine.device_folder().iterdir()}
    assert names == {"davinci0", "davinci1", "davinci_manager", "devmm_svm", "hisi_hdc"}
    for path in machine.device_folder().iterdir():
        assert rehearsal.NOTE in path.read_text()
        assert machine.may_use(path)
    layout.write(tmp_path / "r", settings.Settings(chips=4))
    layout.write(tmp_path / "r", settings.Settings(chips=1))
    assert {path.name for path in (tmp_path / "r" / "dev").glob("davinci[0-9]*")} == {"davinci0"}


@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        ("no-devices", {"davinci0", "davinci1", "davinci_manager", "devmm_svm", "hisi_hdc"}),
        ("no-devices:devmm_svm", {"devmm_svm"}),
        ("no-devices:hisi_hdc", {"hisi_hdc"}),
        ("smi:half-card", {"davinci1"}),
    ],
)
def test_nodes_are_missing_on_request(fault, lost, sourced):
    whole = {path.name for path in machine.device_folder().iterdir()}
    sourced(fault)
    assert whole - {path.name for path in machine.device_folder().iterdir()} == lost


def test_the_group_is_asked_of_nobody_else(sourced):
    sourced("not-in-group")
    assert not machine.may_use(machine.device_folder() / "davinci0")


def test_the_driver_and_its_versions(sourced, rehearsal_folder):
    assert (machine.driver_folder() / "lib64" / "libascend_hal.so").is_file()
    assert f"{rehearsal_folder}/driver/lib64" in os.environ["LD_LIBRARY_PATH"].split(os.pathsep)

    def versions():
        return [
            dict(line.split("=") for line in (folder / "version.info").read_text().splitlines())[
                "package_version"
            ]
            for folder in (machine.driver_folder(), machine.firmware_folder())
        ]

    assert versions() == [machine.DRIVER] * 2
    sourced("driver:old")
    assert versions() == [machine.OLD_DRIVER] * 2
    sourced("driver:other-firmware")
    assert versions() == [machine.DRIVER, machine.OLD_DRIVER]
    sourced("no-driver", "no-dcmi")
    assert not list(machine.driver_folder().iterdir())
    assert not list(machine.dcmi_folder().iterdir())


def test_atc_alone_can_do_with_the_stub(sourced, rehearsal_folder, monkeypatch):
    sourced("no-driver")
    for program, expected in (("atc", 127), ("npu-smi", 127)):
        assert subprocess.run([program, "--help"], capture_output=True, check=False).returncode == expected
    stub = rehearsal_folder / f"{platform.machine()}-linux" / "devlib"
    monkeypatch.setenv("LD_LIBRARY_PATH", str(stub), prepend=os.pathsep)
    for program, expected in (("atc", 0), ("npu-smi", 127)):
        assert subprocess.run([program, "--help"], capture_output=True, check=False).returncode == expected


def test_the_python_has_what_atc_needs_and_hijacks_nobody(ask, rehearsal_folder):
    names = ", ".join(MODULES.values())
    code = f"import {names}, sys, importlib.metadata as m; print(numpy.__version__, m.version('PyYAML'), sys.executable)"
    for words in (("-c", code), ("-I", "-c", code), ("-s", "-X", "utf8", "-c", code)):
        done = ask(*words)
        assert done.stdout == f"1.26.4 6.0.1 {rehearsal_folder}/atc-python/python3\n", done.stderr
    assert str(rehearsal_folder / "atc-python") not in os.environ["PATH"].split(os.pathsep)
    assert not (rehearsal_folder / "bin" / "python3").exists()


def test_the_python_takes_what_python_takes(ask, tmp_path):
    assert ask("-V").stdout == f"Python {platform.python_version()}\n"
    (tmp_path / "a.py").write_text("import sys; print(sys.argv[1:], __name__)")
    assert ask(tmp_path / "a.py", "x").stdout == "['x'] __main__\n"
    assert ask("-", input="print(1)").stdout == "1\n"
    assert ask("-m", "json.tool", "--help").returncode == 0
    done = ask("-c", "raise SystemExit(3)")
    assert done.returncode == 3
    done = ask("-m", "pip", "install", "decorator")
    assert done.returncode == 1
    assert "nothing can be installed" in done.stderr


@pytest.mark.parametrize("package", MODULES)
def test_a_module_is_missing_on_request_also_where_this_python_has_it(package, ask, sourced):
    sourced(f"atc-python:{package}")
    code = f"""
import importlib.util, importlib.metadata
print(importlib.util.find_spec({MODULES[package]!r}))
try:
    print(importlib.metadata.version({package!r}))
except importlib.metadata.PackageNotFoundError:
    print("none")
import {MODULES[package]}
"""
    done = ask("-c", code)
    assert done.stdout == "None\nnone\n"
    assert done.stderr.endswith(f"ModuleNotFoundError: No module named '{MODULES[package]}'\n")


def test_a_numpy_of_two_on_request(ask, sourced):
    sourced("atc-python:numpy2")
    code = "import numpy, importlib.metadata as m; print(numpy.__version__, m.version('numpy'))"
    assert ask("-c", code).stdout == "2.1.3 2.1.3\n"


def test_the_users_python_is_not_touched(sourced):
    sourced(*(f"atc-python:{name}" for name in MODULES))
    words = [sys.executable, "-c", "import numpy; print(numpy.__file__)"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "site-packages" in done.stdout
