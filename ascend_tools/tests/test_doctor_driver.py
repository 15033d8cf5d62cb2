"""The doctor's lines of the driver, on machines whose fault is made."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ascend_tools.doctor import driver, places
from ascend_tools.doctor.check import Status
from ascend_tools.testing.host import checks, host

__all__ = ["host"]
DRIVER = "usr/local/Ascend/driver"


@pytest.fixture
def library():
    """A shared library of this machine's, as a stand-in for one that loads."""
    for place in sys.path:
        for path in sorted(Path(place).glob("lib-dynload/_heapq*.so")) or sorted(
            Path(place).glob("_heapq*.so")
        ):
            return path.read_bytes()
    pytest.skip("this Python has no shared library of its own")


def test_nothing_is_installed(host):
    found = checks(driver)
    assert found["driver.library"].status is Status.MISSING
    assert "no driver is installed" in found["driver.library"].found
    assert found["driver.library"].required
    assert found["driver.version"].status is Status.MISSING
    assert not found["driver.version"].required


def test_no_driver_beside_a_toolkit_names_its_stand_in(host):
    home = host.cann()
    stub = host.file(f"{home}/{places.arch()}-linux/devlib/{places.HAL}")
    found = checks(driver)["driver.library"]
    assert found.status is Status.MISSING
    assert f"export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:{stub.parent}" in found.remedy
    assert "Install the driver" in found.remedy


def test_a_library_that_no_program_finds(host):
    path = host.file(f"{DRIVER}/lib64/driver/{places.HAL}", "text")
    found = checks(driver)["driver.library"]
    assert found.status is Status.WRONG
    assert found.remedy.startswith(f"export LD_LIBRARY_PATH={host.root}/{DRIVER}/lib64:{path.parent}")


def test_where_the_driver_is_installed_elsewhere(host):
    host.file("etc/ascend_install.info", "Driver_Install_Path_Param=/data/Ascend\n")
    path = host.file(f"data/Ascend/driver/lib64/{places.HAL}", "text")
    assert str(path) in checks(driver)["driver.library"].found


def test_one_that_loads(host, library):
    path = host.file(f"{DRIVER}/lib64/{places.HAL}")
    path.write_bytes(library)
    host.set("LD_LIBRARY_PATH", path.parent)
    found = checks(driver)["driver.library"]
    assert (found.status, found.found) == (Status.OK, str(path))


def test_a_stand_in_before_the_drivers_own(host, library):
    own = host.file(f"{DRIVER}/lib64/{places.HAL}")
    stub = host.file(f"{host.cann()}/{places.arch()}-linux/devlib/{places.HAL}")
    own.write_bytes(library)
    stub.write_bytes(library)
    host.set("LD_LIBRARY_PATH", stub.parent, own.parent)
    found = checks(driver)["driver.library"]
    assert found.status is Status.WRONG
    assert str(stub) in found.found
    assert found.remedy == f"export LD_LIBRARY_PATH={own.parent}:$LD_LIBRARY_PATH"
    host.set("LD_LIBRARY_PATH", own.parent, stub.parent)
    assert checks(driver)["driver.library"].status is Status.OK


def test_a_stand_in_alone_runs_nothing(host, library):
    stub = host.file(f"{host.cann()}/{places.arch()}-linux/devlib/{places.HAL}")
    stub.write_bytes(library)
    host.set("LD_LIBRARY_PATH", stub.parent)
    found = checks(driver)["driver.library"]
    assert found.status is Status.MISSING
    assert "ATC can do with it" in found.found


@pytest.mark.parametrize("content", [b"", b"no library, a text of more than a header's length" * 4])
def test_a_file_that_is_no_library(host, content):
    path = host.file(f"{DRIVER}/lib64/{places.HAL}")
    path.write_bytes(content)
    host.set("LD_LIBRARY_PATH", path.parent)
    found = checks(driver)["driver.library"]
    assert found.status is Status.WRONG
    assert "does not fit" in found.found


def test_a_library_that_needs_another_one(host, monkeypatch):
    path = host.file(f"{DRIVER}/lib64/{places.HAL}")
    said = "libc_sec.so: cannot open shared object file: No such file or directory"
    answer = type("Answer", (), {"value": {"problem": said}, "problem": "", "printed": ""})
    monkeypatch.setattr(driver, "ask_python", lambda *_: answer)
    found = checks(driver)["driver.library"]
    assert "libc_sec.so is not found" in found.found
    assert found.remedy == f"export LD_LIBRARY_PATH={path.parent}:$LD_LIBRARY_PATH"


def _versions(host, own, firmware, more=""):
    host.file(f"{DRIVER}/version.info", f"Version={own}\nascendhal_version=7.35.19\npackage_version={own}\n")
    host.file(
        "usr/local/Ascend/firmware/version.info", f"Version=7.3.0.1.231\npackage_version={firmware}\n{more}"
    )
    return checks(driver)["driver.version"]


def test_versions_of_driver_and_firmware(host):
    found = _versions(host, "24.1.rc3", "24.1.rc3")
    assert (found.status, found.found) == (Status.OK, "24.1.rc3")
    assert dict(found.details) == {"driver": "24.1.rc3", "firmware": "24.1.rc3"}


def test_firmware_of_another_release(host):
    found = _versions(host, "24.1.rc3", "21.0.2")
    assert found.status is Status.WRONG
    assert "restart" in found.remedy
    fits = "compatible_version_drv=[23.0,23.0.],[24.1,24.1.]\n"
    assert _versions(host, "24.1.rc3", "23.0.3", fits).status is Status.OK


def test_a_driver_that_is_much_older_than_cann(host):
    host.source(host.cann(version="8.0.RC2"))
    found = _versions(host, "20.2.0", "20.2.0")
    assert found.status is Status.WRONG
    assert "older than CANN 8.0.RC2" in found.found


@pytest.mark.parametrize("text", ["", "Version=\n", "\0\xff", "package_version = " + "9" * 5000])
def test_files_of_versions_that_say_nothing_of_use(host, text):
    host.file(f"{DRIVER}/version.info", text)
    checks(driver)
