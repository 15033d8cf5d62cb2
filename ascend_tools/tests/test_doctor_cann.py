"""The doctor's lines of CANN and ATC, on machines whose fault is made."""

from __future__ import annotations

import os
import signal

import pytest

from ascend_tools.doctor import atc, cann, places
from ascend_tools.doctor.check import Status
from ascend_tools.testing.host import checks, host

__all__ = ["host"]


def test_nothing_is_installed(host):
    found = checks(cann) | checks(atc)
    for name in ("cann.installed", "cann.environment", "atc.program", "atc.library"):
        assert found[name].status is Status.MISSING, name
        assert found[name].required, name
    assert "hiascend.com" in found["cann.installed"].remedy
    assert not found["cann.version"].required


@pytest.mark.parametrize(
    "place",
    [
        "usr/local/Ascend/ascend-toolkit/latest",
        "usr/local/Ascend/cann",
        "usr/local/Ascend/nnae/latest",
        "../home/Ascend/ascend-toolkit/latest",
    ],
)
def test_settings_that_were_not_sourced(host, place):
    script = places.set_env(host.cann(place))
    found = checks(cann)
    assert found["cann.installed"].status is Status.OK
    assert found["cann.environment"].status is Status.MISSING
    assert found["cann.environment"].remedy == f"source {script}"
    assert found["cann.environment"].details["command"] == f"source {script}"
    assert found["cann.version"].found == "8.0.RC2"
    assert checks(atc)["atc.program"].remedy == f"source {script}"


def test_settings_that_were_sourced(host):
    host.source(host.cann())
    found = checks(cann) | checks(atc)
    assert {name: check.status for name, check in found.items() if name != "atc.memory"} == {
        name: Status.OK for name in found if name != "atc.memory"
    }


def test_settings_of_a_cann_that_has_gone(host):
    home = host.cann()
    for name in places.HOMES:
        host.set(name, "/opt/gone/ascend-toolkit/latest")
    found = checks(cann)["cann.environment"]
    assert found.status is Status.WRONG
    assert "/opt/gone/ascend-toolkit/latest, which is not there" in found.found
    assert found.remedy == f"source {places.set_env(home)}"


def test_settings_of_a_cann_that_has_gone_and_no_other(host):
    host.set("ASCEND_HOME_PATH", "/opt/gone")
    assert "hiascend.com" in checks(cann)["cann.environment"].remedy


def test_atc_of_another_cann_comes_first(host):
    home, other = host.cann(), host.cann("opt/Ascend/ascend-toolkit/latest", "7.0.0")
    host.source(home)
    host.set("PATH", other / "bin", os.environ["PATH"])
    found = checks(cann)
    assert found["cann.environment"].status is Status.WRONG
    assert f"the first atc on PATH is {other}/bin/atc" in found["cann.environment"].found
    assert "7.0.0" in found["cann.version"].found
    host.set("PATH", home / "bin", os.environ["PATH"])
    assert checks(cann)["cann.environment"].status is Status.OK


def test_variables_of_two_canns(host):
    home, other = host.cann(), host.cann("opt/Ascend/ascend-toolkit/latest", "7.0.0")
    host.source(home)
    host.set("ASCEND_HOME_PATH", other)
    assert "two CANNs" in checks(cann)["cann.environment"].found


def test_atc_by_the_links_of_a_release_is_the_same_cann(host):
    release = host.cann("usr/local/Ascend/ascend-toolkit/8.0.RC2")
    latest = release.parent / "latest"
    latest.symlink_to(release)
    host.source(release)
    host.set("ASCEND_TOOLKIT_HOME", latest)
    assert checks(cann)["cann.environment"].status is Status.OK


@pytest.mark.parametrize("value", [None, "/nowhere/opp"])
def test_operators_that_are_not_found(host, value):
    host.source(host.cann())
    host.set("ASCEND_OPP_PATH", value) if value else host.unset("ASCEND_OPP_PATH")
    found = checks(cann)["cann.environment"]
    assert found.status is Status.WRONG
    assert "ASCEND_OPP_PATH" in found.found


@pytest.mark.parametrize("name", ["LD_LIBRARY_PATH", "PYTHONPATH"])
def test_a_search_path_that_was_changed_afterwards(host, name):
    host.source(host.cann())
    host.set(name, "/usr/lib/elsewhere")
    found = checks(cann)["cann.environment"]
    assert found.status is Status.WRONG
    assert found.found.startswith(f"{name} has none of CANN's directories")


def test_a_toolkit_for_another_processor(host):
    home = host.cann()
    other = "x86_64" if places.arch() == "aarch64" else "aarch64"
    (home / f"{places.arch()}-linux").rename(home / f"{other}-linux")
    found = checks(cann)["cann.installed"]
    assert found.status is Status.WRONG
    assert f"is for {other}" in found.found


@pytest.mark.parametrize(
    ("source", "status", "said"),
    [
        ("echo 'atc.bin: error while loading shared libraries: libge_runner.so: cannot open shared object file' >&2; exit 127",
         Status.MISSING, "libge_runner.so is not found"),
        ("echo 'Error loading shared library libgraph.so: No such file or directory (needed by atc)'; exit 127",
         Status.MISSING, "libgraph.so is not found"),
        ("echo \"atc: /lib64/libm.so.6: version \\`GLIBC_2.34' not found (required by atc)\"; exit 1",
         Status.WRONG, "libm.so.6 does not fit: version `GLIBC_2.34' not found"),
        (f"kill -{signal.SIGSEGV.value} $$", Status.WRONG, "SIGSEGV"),
        (f"kill -{signal.SIGILL.value} $$", Status.WRONG, "SIGILL"),
        ("exit 139", Status.WRONG, "SIGSEGV"),
        ("echo hello", Status.WRONG, "prints no help of ATC's, and ends with 0: hello"),
        ("exit 3", Status.WRONG, "ends with 3"),
        ("head -c 100000 /dev/urandom 2>/dev/null; true", Status.WRONG, "prints no help"),
        ("echo 'usage --model'; exit 255", Status.OK, "it starts"),
    ],
)  # fmt: skip
def test_an_atc_that_does_not_start(host, source, status, said):
    host.source(host.cann())
    host.shell("atc", source)
    host.set("PATH", host.bin, os.environ["PATH"])
    found = checks(atc)["atc.library"]
    assert found.status is status
    assert said in found.found


def test_an_atc_that_hangs(host, monkeypatch):
    monkeypatch.setattr(atc, "_SECONDS", 0.5)
    host.program("atc", "import time\ntime.sleep(60)\n")
    found = checks(atc)["atc.library"]
    assert (found.status, "not ended within 0.5 seconds" in found.found) == (Status.WRONG, True)


def test_an_atc_for_another_processor(host):
    host.file("bin/atc", "\x7fELF\x02\x01\x01").chmod(0o755)
    found = checks(atc)["atc.library"]
    assert found.status is Status.WRONG
    assert "cannot be started" in found.found


NO_HAL = (
    "echo 'atc.bin: error while loading shared libraries: libascend_hal.so: cannot open shared object file: No such file or "
    "directory' >&2; exit 127"
)


def test_an_atc_without_a_driver(host):
    home = host.cann()
    host.source(home)
    host.shell("atc", NO_HAL)
    host.set("PATH", host.bin, os.environ["PATH"])
    assert "Install the driver" in checks(atc)["atc.library"].remedy
    stub = host.file(f"{home}/{places.arch()}-linux/devlib/{places.HAL}")
    assert checks(atc)["atc.library"].remedy == f"export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:{stub.parent}"
    own = host.file(f"usr/local/Ascend/driver/lib64/{places.HAL}")
    assert checks(atc)["atc.library"].remedy == f"export LD_LIBRARY_PATH={own.parent}:$LD_LIBRARY_PATH"


def test_only_the_runtime_is_installed(host):
    home = host.cann("usr/local/Ascend/nnrt/latest")
    (home / "bin/atc").unlink()
    host.source(home)
    assert checks(cann)["cann.environment"].status is Status.OK
    assert "not of nnrt" in checks(atc)["atc.program"].remedy


@pytest.mark.parametrize(
    ("cores", "gib", "variables", "status"),
    [(4, 3.6, {}, Status.WRONG), (4, 3.6, {"TE_PARALLEL_COMPILER": "1", "MAX_COMPILE_CORE_NUMBER": "1"}, Status.WRONG),
     (4, 7.5, {}, Status.WRONG), (4, 7.5, {"TE_PARALLEL_COMPILER": "1"}, Status.OK), (4, 15, {}, Status.OK),
     (192, 16, {}, Status.WRONG), (192, 512, {"TE_PARALLEL_COMPILER": "x" * 9999}, Status.OK)],
)  # fmt: skip
def test_memory_for_compilers(host, monkeypatch, cores, gib, variables, status):
    monkeypatch.setattr(atc.cpu, "cores", lambda: cores)
    monkeypatch.setattr(atc.cpu, "memory", lambda: int(gib * 2**30))
    for name, value in variables.items():
        host.set(name, value)
    found = checks(atc)["atc.memory"]
    assert found.status is status
    assert not found.required
    if status is Status.WRONG and not variables:
        assert found.remedy == "export TE_PARALLEL_COMPILER=1 MAX_COMPILE_CORE_NUMBER=1"
    if variables.get("MAX_COMPILE_CORE_NUMBER"):
        assert "--soc-version" in found.remedy


def test_many_cores_of_arm_are_told_of_numactl(monkeypatch, host):
    monkeypatch.setattr(atc.cpu, "cores", lambda: 192)
    monkeypatch.setattr(atc.cpu, "memory", lambda: 512 * 2**30)
    monkeypatch.setattr(places, "arch", lambda: "aarch64")
    assert "numactl -C 16-31" in checks(atc)["atc.memory"].found
