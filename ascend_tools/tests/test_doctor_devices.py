"""doctor/devices.py and the live probe: device nodes, cards on the bus, an npu-smi that is missing."""

from __future__ import annotations

import os

import pytest

from ascend_tools.doctor import chips, devices, places
from ascend_tools.doctor.check import Status
from common import rehearsal
from common.npu_tools.smi_chips import Chip, Table

MANAGERS = ("davinci_manager", "devmm_svm", "hisi_hdc")


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return a function that writes device nodes of a machine that is no rehearsal's."""
    monkeypatch.setattr(places, "ROOT", tmp_path)
    monkeypatch.delenv(rehearsal.VARIABLE, raising=False)

    def write(*names):
        (tmp_path / "dev").mkdir(exist_ok=True)
        for name in names:
            (tmp_path / "dev" / name).touch()
        return tmp_path

    return write


def seen(count, bus="0000:81:00.0"):
    return Table(chips=tuple(Chip(n, 0, n, "Ascend310P3", "OK", bus_id=bus) for n in range(count)))


def test_a_node_for_each_chip_and_the_drivers_own(machine):
    root = machine("davinci0", "davinci1", "davinci_manager_docker", *MANAGERS)
    check = devices.check(seen(2))
    assert check.status is Status.OK
    assert check.found == f"{root}/dev/davinci0 to davinci1, davinci_manager, devmm_svm, hisi_hdc"
    assert check.details["nodes"] == ["davinci0", "davinci1"]


@pytest.mark.usefixtures("machine")
def test_no_nodes_at_all():
    check = devices.check(Table())
    assert (check.status, check.required) == (Status.MISSING, True)
    assert check.found.endswith("/dev/davinci*: no NPU is reachable from here")
    assert "docker run --device /dev/davinci0" in check.remedy


@pytest.mark.parametrize("lost", MANAGERS)
def test_a_node_of_the_driver_that_is_not_mounted(machine, lost):
    machine("davinci3", *(name for name in MANAGERS if name != lost))
    check = devices.check(seen(1))
    assert check.status is Status.MISSING
    assert check.found.endswith(f"/dev/{lost}")
    assert f"add --device /dev/{lost} to docker run" in check.remedy


def test_a_board_whose_chip_is_the_host_has_fewer(machine):
    machine("davinci0", "davinci_manager", "svm0")
    assert devices.check(seen(1, bus=None)).status is Status.OK
    assert devices.check(seen(1)).status is Status.MISSING


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may use any file")
def test_nodes_that_this_user_may_not_use(machine):
    root = machine("davinci0", *MANAGERS)
    (root / "dev" / "davinci0").chmod(0)
    check_denied(root)


def test_nodes_that_may_not_be_used_are_told_with_their_group(machine, monkeypatch):
    root = machine("davinci0", *MANAGERS)
    monkeypatch.setattr(devices, "_may_use", lambda node: node.name != "davinci0")
    check_denied(root)


def check_denied(root):
    check = devices.check(seen(1))
    assert (check.status, check.required) == (Status.WRONG, True)
    assert check.found == f"this user may not use {root}/dev/davinci0"
    assert "sudo usermod -aG " in check.remedy


def test_fewer_nodes_than_chips_and_more(machine):
    machine("davinci4", "davinci6", *MANAGERS)
    few, many = devices.check(seen(4)), devices.check(seen(1))
    assert few.found == "2 of 4 chips that npu-smi shows have a node: davinci4, davinci6"
    assert many.found == "2 nodes (davinci4, davinci6), but npu-smi shows 1 chips"
    assert {few.status, many.status} == {Status.WRONG}
    assert [few.required, many.required] == [False, False]


def test_a_card_without_a_driver_is_seen_on_the_bus(machine):
    for address, vendor, device in (
        ("0000:81:00.0", "0x19e5", "0xd500"),
        ("0000:01:00.0", "0x19e5", "0x1822"),
    ):
        folder = machine() / "sys/bus/pci/devices" / address
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(f"{vendor}\n")
        (folder / "device").write_text(f"{device}\n")
    assert devices.cards() == ["a card with 310P at 0000:81:00.0"]


def probe():
    return {check.id: check for check in chips.PROBES[0].checked()}


@pytest.mark.usefixtures("nothing_on_path")
def test_a_machine_without_npu_smi(machine):
    found = probe()
    assert list(found) == ["npu.smi", "npu.devices"]
    assert found["npu.smi"].status is Status.MISSING
    assert "no card of an NPU is seen" in found["npu.smi"].found
    assert "mount the host's" in found["npu.smi"].remedy
    folder = machine() / "usr/local/sbin"
    folder.mkdir(parents=True)
    (folder / "npu-smi").touch()
    check = probe()["npu.smi"]
    assert check.status is Status.WRONG
    assert check.details["command"] == f"export PATH=$PATH:{folder}"


@pytest.mark.usefixtures("machine")
def test_a_machine_whose_npu_smi_fails(npu_smi):
    npu_smi("dcmi module initialize failed. ret is -8005", code=1)
    found = probe()
    assert found["npu.smi"].details["error"] == -8005
    assert found["npu.devices"].status is Status.MISSING


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        ("", Status.OK, "davinci0 to davinci1, davinci_manager"),
        ("no-devices", Status.MISSING, "no NPU is reachable"),
        ("no-devices:hisi_hdc", Status.MISSING, "hisi_hdc"),
        ("not-in-group", Status.WRONG, "may not use"),
    ],
)
def test_a_rehearsals_devices(sourced, fault, status, words):
    sourced(fault)
    check = devices.check(Table())
    assert check.status is status
    assert words in check.found
