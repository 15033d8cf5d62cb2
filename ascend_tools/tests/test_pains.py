"""What users fail at before they run anything: each fault of the machine makes the doctor's right line wrong, and no other.

The tests of test_pains*.py go through the list of what users of these tools report: test_pains_atc.py has what fails in
a conversion, test_pains_codes.py ATC's codes, test_pains_npu.py what fails when a model is run, test_pains_measured.py
what is wrong with results and figures. The number in a test's name is the entry's in that list. What cannot be simulated
without an NPU, and so is not here:

- 2: which operator is to blame for too low a precision, and what another precision mode costs; that outputs are off is.
- 3: that a chip's own ReduceMean or Softmax overflows where float32 does not; preflight finds it by the numbers.
- 4: that ATC never ends with force_fp32 on a 310B; that it is asked for is told before.
- 9: that a driver was upgraded without a restart, or that a virtual machine has the card: the code is all that is seen.
- 10: what a chip does with another one's OM beyond a load error, a crash or a wrong version.
- 11: that ATC takes hours: time alone is no fault. That the system kills it is simulated.
- 14: operators on the AICPU, gathers on the last axis, Slice that the tool `benchmark` refuses, what AOE gains.
- Codes that ATC makes of its own state: E30006 and E40021 are made on request, their causes are not.
"""

from __future__ import annotations

import functools
import json
import os

import pytest

from ascend_tools.doctor import chips, cpu, probes
from ascend_tools.rehearse import layout, machine, settings
from ascend_tools.testing.commands import call
from common import rehearsal

GROUPS = ("npu", "driver", "cann", "atc", "inference", "backend.om")


@pytest.fixture
def doctor(sourced, tmp_path, capsys, monkeypatch):
    """Run the doctor on the NPU's side of the machine; return its exit status, the lines that are not ok, and the record."""
    every = probes.MACHINE
    (tmp_path / "here").mkdir()
    run = functools.partial(
        call, tmp_path / "here", "ascend_tools.doctor", capsys=capsys, monkeypatch=monkeypatch
    )

    def ask(*words, groups=GROUPS):
        asked = tuple(each for each in every if next(iter(each.titles)).startswith(groups))
        monkeypatch.setattr(probes, "MACHINE", asked)
        done = run("--json", *words)
        record = json.loads(done.stdout)
        found = {check["id"]: check for check in record["checks"] if check["status"] != "ok"}
        found.pop("atc.memory", None)  # which is this machine's own
        return done.returncode, found, record

    return ask


# Fault, ids of lines that are not ok, then of each the words that matter; whether the way stays open.
FAULTS = [
    ("driver:old", {"driver.version": ("20.2.0", "older than CANN 8.0", "restart the machine")}, True),
    (
        "smi:alarm",
        {"npu.health": ("device 0 (NPU 1, chip 0): Alarm", "npu-smi info -t health -i 1 -c 0")},
        True,
    ),
    ("smi:in-use", {"npu.in-use": ("python3 (pid 51234)", "AICore 97 %", "--device 1")}, True),
    ("device-throttled", {"npu.health": ("Warning", "hot: device 0 106 C")}, True),
    ("smi:half-card", {"npu.card": ("1 of 2 chips of NPU 1", "docker run --device /dev/davinciN")}, True),
    ("smi:-8005", {"npu.smi": ("-8005", "HwHiAiUser", "/dev/davinci*", "/usr/local/dcmi")}, False),
    ("smi:-8020", {"npu.smi": ("-8020", "driver and firmware may not fit each other", "restart")}, False),
    ("smi:no-table", {"npu.smi": ("no table of `npu-smi info`",)}, False),
    ("smi:no-chips", {"npu.smi": ("a table without a chip", "lspci -d 19e5:", "dmesg")}, False),
    ("no-dcmi", {"npu.smi": ("does not find the driver's libraries", "/usr/local/dcmi")}, False),
    (
        "no-devices",
        {"npu.smi": ("-8005",), "npu.devices": ("no NPU is reachable", "--device /dev/davinci0")},
        False,
    ),
    *(
        (
            f"no-devices:{name}",
            {"npu.smi": ("-8005",), "npu.devices": (f"--device /dev/{name} to docker run",)},
            False,
        )
        for name in ("davinci_manager", "devmm_svm", "hisi_hdc")
    ),
    (
        "not-in-group",
        {"npu.smi": ("-8005",), "npu.devices": ("may not use", "sudo usermod -aG HwHiAiUser $USER")},
        False,
    ),
    (
        "driver:other-firmware",
        {
            "npu.smi": ("-8020",),
            "driver.version": ("firmware of 20.2.0", "Install the firmware that is released together"),
        },
        False,
    ),
]
# These are seen where children are asked.
SLOW_FAULTS = [
    ("atc-python:decorator", {"atc.modules": ("decorator missing", "-m pip install decorator")}, False),
    (
        "atc-python:attrs,atc-python:scipy",
        {"atc.modules": ("attrs, scipy missing", "-m pip install attrs scipy")},
        False,
    ),
    ("atc-python:te", {"atc.modules": ("CANN's own, through PYTHONPATH", "source ")}, False),
    ("atc-python:numpy2", {"atc.numpy": ("2.1.3", "np.float_", 'pip install "numpy<2"')}, False),
    ("atc-python:numpy", {"atc.numpy": ("none in", 'pip install "numpy<2"')}, False),
    (
        "aclruntime:missing",
        {
            "inference.aclruntime": ("not installed", "ais_bench"),
            "inference.ais_bench": ("without aclruntime",),
        },
        True,
    ),
    (
        "aclruntime:other-version",
        {
            "inference.ais_bench": (
                "0.0.2 with aclruntime 0.0.1",
                "--force-reinstall ./aclruntime-*.whl ./ais_bench-*.whl",
            ),
            "inference.session": ("ais_bench, which is not as it should be",),
            "backend.om": ("ais_bench",),
        },
        False,
    ),
    ("acl:crash", {"inference.pyacl": ("SIGSEGV",)}, True),
    (
        "no-driver",
        {
            "npu.smi": ("does not find the driver's libraries", "/usr/local/Ascend/driver"),
            "driver.library": (
                "libascend_hal.so is nowhere",
                "export LD_LIBRARY_PATH=$LD_LIBRARY_PATH:",
                "devlib",
            ),
            "driver.version": ("no version.info",),
            "atc.library": ("libascend_hal.so is not found", "devlib"),
            "inference.aclruntime": ("libascend_hal.so",),
            "inference.ais_bench": ("libascend_hal.so",),
            "inference.pyacl": ("libascend_hal.so",),
            "inference.session": ("neither ais_bench with aclruntime nor pyACL",),
            "inference.tools": ("does not start",),
            "backend.om": ("neither ais_bench with aclruntime nor pyACL",),
        },
        False,
    ),
]


def check(found, expected):
    assert found.keys() == expected.keys()
    for name, words in expected.items():
        text = f"{found[name]['found']}\n{found[name]['remedy']}"
        for word in words:
            assert word in text, name


@pytest.mark.parametrize(("fault", "expected", "is_open"), FAULTS)
def test_a_fault_of_the_machine_is_one_line(fault, expected, is_open, doctor, sourced):
    sourced(fault)
    status, found, record = doctor("--quick")
    check(found, expected)
    assert (status, record["open"]) == (int(not is_open), is_open)
    assert record["rehearsal"] == rehearsal.NOTE


@pytest.mark.parametrize(("fault", "expected", "is_open"), SLOW_FAULTS)
def test_a_fault_of_what_is_installed_is_one_line(fault, expected, is_open, doctor, sourced):
    sourced(fault)
    groups = ("atc.", "backend.om") if fault.startswith("atc-python") else GROUPS
    status, found, record = doctor(groups=groups)
    check(found, expected)
    assert (status, record["open"]) == (int(not is_open), is_open)


def test_an_npu_smi_that_hangs_is_given_up(doctor, sourced, monkeypatch):
    monkeypatch.setattr(chips, "_SECONDS", 1.0)
    sourced("smi:hang")
    status, found, _ = doctor("--quick")
    assert status == 1
    check(found, {"npu.smi": ("gives no answer", "restart of the machine")})


@pytest.mark.parametrize(
    ("soc", "count"),
    [("Ascend310", 4), ("Ascend310P3", 2), ("Ascend310B4", 1), ("Ascend910", 8), ("Ascend910B3", 2)],
)
def test_without_a_fault_the_way_is_open(soc, count, doctor, tmp_path, monkeypatch, rehearsal_folder):
    layout.write(tmp_path / "other", settings.Settings(soc, count))
    for name, value in os.environ.items():
        if str(rehearsal_folder) in value:
            monkeypatch.setenv(name, value.replace(str(rehearsal_folder), str(tmp_path / "other")))
    status, found, record = doctor()
    assert (status, found, record["open"]) == (0, {}, True)
    assert {chip["soc"] for chip in record["chips"]} == {soc}
    assert sorted(chip["device"] for chip in record["chips"]) == list(range(count))


def test_a_tiny_network_goes_each_way(doctor, sourced):
    status, found, record = doctor("--full")
    assert (status, found) == (0, {})
    tiny = [check["id"] for check in record["checks"] if check["id"].startswith("tiny.")]
    assert {"tiny.atc", "tiny.om"} <= {*tiny}
    sourced("device-taken")
    status, found, _ = doctor("--full")
    assert status == 1
    assert "507033" in found["tiny.om"]["found"]


def test_half_of_a_card_of_four(doctor, sourced, tmp_path, monkeypatch, rehearsal_folder):
    layout.write(tmp_path / "other", settings.Settings("Ascend310", 4))
    for name, value in os.environ.items():
        if str(rehearsal_folder) in value:
            monkeypatch.setenv(name, value.replace(str(rehearsal_folder), str(tmp_path / "other")))
    sourced("smi:half-card")
    status, found, record = doctor("--quick")
    assert status == 0
    check(found, {"npu.card": ("2 of 4 chips of NPU 1",)})
    assert len(record["chips"]) == 2


# 8. CANN's stand-in for the driver's library, which must not come before the driver's own.


def test_8_the_stub_before_the_drivers_library(doctor, monkeypatch, rehearsal_folder):
    stub = rehearsal_folder / machine.arch() / "devlib"
    monkeypatch.setenv("LD_LIBRARY_PATH", str(stub), prepend=os.pathsep)
    status, found, _ = doctor("--quick")
    assert status == 1
    command = f"export LD_LIBRARY_PATH='{rehearsal_folder}/driver/lib64':$LD_LIBRARY_PATH"
    check(found, {"driver.library": (f"{stub}/libascend_hal.so is found before the driver's", command)})


# 11. Memory for ATC's compilers.


def test_11_memory_that_is_not_enough_for_the_compilers(doctor, monkeypatch):
    monkeypatch.setattr(cpu, "cores", lambda: 4)
    monkeypatch.setattr(cpu, "memory", lambda: 4 * 2**30)
    _, _, record = doctor("--quick", groups=("atc.memory",))
    (line,) = record["checks"]
    assert (line["status"], line["required"]) == ("wrong", False)
    assert line["remedy"] == "export TE_PARALLEL_COMPILER=1 MAX_COMPILE_CORE_NUMBER=1"


# 6. set_env.sh was not sourced.


def test_6_without_set_env(doctor, monkeypatch, rehearsal_folder):
    names = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
    for name, value in os.environ.items():
        if name in names:
            kept = [each for each in value.split(os.pathsep) if not each.startswith(str(rehearsal_folder))]
            monkeypatch.setenv(name, os.pathsep.join(kept))
        elif name.startswith("ASCEND") and name != rehearsal.VARIABLE:
            monkeypatch.delenv(name)
    status, found, _ = doctor()
    assert status == 1
    command = f"source '{rehearsal_folder}/set_env.sh'"
    for name in ("cann.environment", "atc.program", "inference.pyacl"):
        assert found[name]["details"]["command"] == command, found[name]
    assert "set_env.sh was not sourced in this shell" in found["cann.environment"]["found"]


def test_6_a_variable_that_is_lost(doctor, monkeypatch):
    monkeypatch.delenv("ASCEND_OPP_PATH")
    status, found, _ = doctor("--quick")
    assert status == 1
    check(found, {"cann.environment": ("ASCEND_OPP_PATH is not set", "set_env.sh")})
