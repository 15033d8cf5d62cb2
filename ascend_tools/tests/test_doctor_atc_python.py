"""The doctor's lines of the Python that ATC embeds, in Pythons whose fault is made."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ascend_tools.doctor import atc_modules, atc_python
from ascend_tools.doctor.check import Status
from ascend_tools.testing.host import MODULES, checks, host

__all__ = ["host"]
LOADS = vars(atc_python)["_loads"]


@pytest.fixture(autouse=True)
def loads(monkeypatch):
    """Whether libpython is found is asked in its own tests: here it is."""
    monkeypatch.setattr(atc_python, "_loads", lambda _: True)


def test_all_is_there(host):
    path = host.python()
    found = checks(atc_modules)
    assert {check.status for check in found.values()} == {Status.OK}
    assert str(path) in found["atc.python"].found
    assert found["atc.numpy"].details["version"] == "1.26.4"
    assert [name for name, check in found.items() if check.required] == ["atc.modules", "atc.numpy"]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_missing(host, name):
    path = host.python(lacks=(name,))
    found = checks(atc_modules)["atc.modules"]
    package = next(each for each, module in atc_modules.NEEDED.items() if module == name)
    assert found.status is Status.MISSING
    assert found.details["missing"] == [package]
    assert found.details["command"].endswith(f"{path} -m pip install {package}")


def test_numpy_is_missing(host):
    host.python(lacks=("numpy",), scipy="import numpy\n")
    found = checks(atc_modules)
    assert found["atc.numpy"].status is Status.MISSING
    assert found["atc.numpy"].remedy.endswith('-m pip install "numpy<2"')
    assert found["atc.modules"].status is Status.OK  # scipy breaks for numpy alone


@pytest.mark.parametrize("version", ["2.0.0", "2.4.6", "10.0", ""])
def test_a_numpy_that_has_no_float_(host, version):
    host.python(numpy=version)
    found = checks(atc_modules)["atc.numpy"]
    assert found.status is Status.WRONG
    assert "np.float_" in found.found
    assert '"numpy<2"' in found.remedy


def test_a_module_that_breaks(host):
    host.python(
        cffi="raise ImportError('libffi.so.6: cannot open shared object file: No such file or directory')\n"
    )
    found = checks(atc_modules)["atc.modules"]
    assert found.status is Status.WRONG
    assert "cffi broken: the library libffi.so.6 is not found" in found.found
    assert "--force-reinstall cffi" in found.remedy


@pytest.mark.parametrize("number", ["11", "4"])
def test_a_module_that_crashes(host, number):
    host.python(scipy=f"import os\nos.kill(os.getpid(), {number})\n", lacks=("sympy",))
    found = checks(atc_modules)["atc.modules"]
    assert "sympy missing" in found.found
    assert "scipy broken: it crashed with SIG" in found.found


@pytest.mark.parametrize(
    "source", ["exit 0", "echo hello", "echo '[]'", 'echo \'{"version": "3"}\'', "exit 3", "kill -11 $$"]
)
def test_a_python3_that_is_none(host, source):
    host.shell("python3", source)
    found = checks(atc_modules)
    assert {check.status for check in found.values()} == {Status.MISSING}
    assert "does not work" in found["atc.python"].found


def test_a_python3_that_hangs(host, monkeypatch):
    monkeypatch.setattr(atc_python, "SECONDS", 0.5)
    host.program("python3", "import time\ntime.sleep(60)\n")
    assert "0.5 seconds" in checks(atc_modules)["atc.python"].found


def test_no_python3(host):
    assert checks(atc_modules)["atc.python"].found == "no python3 on PATH"


def test_conda_first_lacks_nothing_and_the_systems_does(host):
    conda, system = host.python("conda/bin", conda=True), host.python("system/bin", lacks=("decorator",))
    host.set("PATH", conda.parent, system.parent, os.environ["PATH"])
    found = checks(atc_modules)
    assert "of a conda environment" in found["atc.python"].found
    assert str(system) in found["atc.python"].found
    assert found["atc.modules"].status is Status.MISSING
    assert (
        found["atc.modules"].details["command"]
        == f"{system} -m ensurepip && {system} -m pip install decorator"
    )


def test_conda_first_has_numpy_2(host):
    conda, system = host.python("conda/bin", conda=True, numpy="2.1.0"), host.python("system/bin")
    host.set("PATH", conda.parent, system.parent, os.environ["PATH"])
    found = checks(atc_modules)["atc.numpy"]
    assert found.status is Status.WRONG
    assert str(conda) in found.found
    assert "have another python3 first on PATH" in found.remedy


def test_a_virtual_environment_is_what_atc_embeds(host, tmp_path):
    env = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", env], check=True)
    system = host.python("system/bin")
    host.set("PATH", env / "bin", system.parent, os.environ["PATH"])
    found = checks(atc_modules)
    assert f"{env}/bin/python3" in found["atc.python"].found
    assert "a virtual environment" in found["atc.python"].found
    assert set(found["atc.modules"].details["missing"]) == set(atc_modules.NEEDED)
    assert found["atc.modules"].remedy.splitlines()[0] == found["atc.modules"].details["command"]
    host.set("PATH", system.parent, env / "bin", os.environ["PATH"])
    assert checks(atc_modules)["atc.modules"].status is Status.OK


def test_canns_own_modules(host):
    home = host.cann()
    host.python()
    host.source(home)
    host.set("PATH", host.bin, os.environ["PATH"])
    assert checks(atc_modules)["atc.modules"].status is Status.OK
    host.unset("PYTHONPATH")
    found = checks(atc_modules)["atc.modules"]
    assert found.details["missing"] == ["te", "tbe"]
    assert found.remedy.startswith("source ")


def test_a_library_of_python_that_atc_does_not_find(host, monkeypatch):
    monkeypatch.setattr(atc_python, "_loads", lambda _: False)
    first = atc_python.Python("/usr/bin/python3", (3, 9), "", False, str(host.root), True, True, {})
    found = atc_python.check([first])
    assert found.status is Status.WRONG
    assert not found.required
    assert "libpython3.9.so.1.0" in found.found
    host.file("libpython3.9.so.1.0")
    assert atc_python.check([first]).remedy == f"export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:{host.root}"
    assert "--break-system-packages" in first.install(["numpy<2"])


def test_whether_a_library_loads(host):
    assert not LOADS("libpython3.99.so.1.0")
    assert LOADS("libc.so.6")
    host.shell("python3-config", "echo /usr")
    assert not LOADS("libpython3.99.so.1.0")
