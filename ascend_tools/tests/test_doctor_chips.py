"""doctor/chips.py: what npu-smi's table means for the way to the NPU."""

from __future__ import annotations

import json

import pytest

from ascend_tools.doctor import chips
from ascend_tools.doctor.check import Status
from ascend_tools.rehearse import layout, machine, npu_smi, settings
from ascend_tools.testing.reference import root
from common import rehearsal
from common.npu_tools import smi_table


@pytest.fixture
def table(tmp_path, monkeypatch, capsys):
    """Return the checks of what a rehearsal's npu-smi prints of so many chips, with a fault, by id."""

    def ask(soc="Ascend310P3", count=2, fault="", per_card=0, mapped=False, change=("", "")):
        layout.write(tmp_path / "r", settings.Settings(soc, count, per_card=per_card))
        monkeypatch.setenv(rehearsal.VARIABLE, str(tmp_path / "r"))
        monkeypatch.setenv("REHEARSAL_FAULT", fault)
        npu_smi.main(["info"])
        if mapped:
            npu_smi.main(["info", "-m"])
        printed = capsys.readouterr()
        return by_id((printed.out + printed.err).replace(*change))

    return ask


def by_id(text):
    return {check.id: check for check in chips.of_table(smi_table.read(text))}


def test_all_is_well(table):
    found = table()
    assert {each: check.status for each, check in found.items()} == dict.fromkeys(
        ["npu.smi", "npu.chips", "npu.health", "npu.card", "npu.in-use", "npu.numbers"], Status.OK
    )
    assert found["npu.chips"].found == "2 x Ascend310P3, devices 0-1, driver " + machine.DRIVER
    assert found["npu.card"].found == "2 cards, 1 chip each"
    assert found["npu.numbers"].found == "--device 0 = NPU 1, chip 0; 1 = NPU 4, chip 0"
    assert json.loads(json.dumps(found["npu.chips"].details["chips"]))[1]["npu"] == 4


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("smi:-8005", "cannot be used from here"),
        ("smi:-8020", "in use or does not answer"),
        ("no-driver", "does not find the driver's libraries"),
        ("no-dcmi", "does not find the driver's libraries"),
        ("not-in-group", "cannot be used from here"),
        ("smi:no-chips", "a table without a chip"),
    ],
)
def test_a_tool_that_cannot_use_the_card_is_said_as_that(table, fault, words):
    found = table(fault=fault)
    assert list(found) == ["npu.smi"]
    check = found["npu.smi"]
    assert check.status is Status.WRONG
    assert check.required
    assert check.found.startswith("npu-smi is here")
    assert words in check.found
    assert check.remedy


@pytest.mark.parametrize(
    ("health", "required", "words"),
    [
        ("Alarm", False, "many boards show it for good"),
        ("Warning", False, "many boards"),
        ("Critical", True, "card changed"),
    ],
)
def test_a_chip_that_is_not_well(table, health, required, words):
    check = table(fault="smi:alarm", change=("| Alarm   ", f"| {health:8}"))["npu.health"]
    assert check.status is Status.WRONG
    assert check.required is required
    assert check.found == f"device 0 (NPU 1, chip 0): {health}"
    assert check.remedy.startswith("npu-smi info -t health -i 1 -c 0 names the fault")
    assert words in check.remedy


def test_a_chip_that_is_hot_is_told_as_that(table):
    assert "hot: device 0 106 C" in table(fault="device-throttled")["npu.health"].found


def test_health_that_is_not_told_is_no_fault(table):
    assert table(change=("| OK ", "| NA "))["npu.health"].status is Status.OK
    assert "npu.health" not in by_id("NPU ID  Chip ID  Chip Logic ID  Chip Name\n3  0  0  Ascend 910B4\n")


@pytest.mark.parametrize(
    ("soc", "count", "per_card", "words"),
    [
        ("Ascend310", 4, 0, "2 of 4 chips of NPU 1"),
        ("Ascend310P3", 2, 2, "1 of 2 chips of NPU 1"),
        ("Ascend310P3", 2, 0, "1 of 2 chips of NPU 1"),
        ("Ascend910_9392", 4, 0, "1 of 2 chips of NPU 1, 1 of 2 chips of NPU 4"),
    ],
)
def test_half_a_card_is_told(table, soc, count, per_card, words):
    check = table(soc, count, "smi:half-card", per_card)["npu.card"]
    assert check.status is Status.WRONG
    assert not check.required
    assert check.found == f"only a part is seen: {words}"
    assert "--device /dev/davinciN" in check.remedy


def test_a_duo_of_which_the_first_chip_is_seen_is_told_by_its_memory(table):
    found = table("Ascend310P3", 1, per_card=2)
    assert found["npu.card"].found == "only a part is seen: 1 of 2 chips of NPU 1"
    assert table("Ascend310P3", 1)["npu.card"].status is Status.OK


@pytest.mark.parametrize(
    ("soc", "count", "per_card", "found"),
    [
        ("Ascend310", 8, 0, "2 cards, 4 chips each"),
        ("Ascend310P3", 4, 2, "2 cards, 2 chips each"),
        ("Ascend910_9392", 4, 0, "2 cards, 2 chips each"),
        ("Ascend310", 1, 0, "1 card, 1 chip each"),  # a module with one
        ("Ascend310B4", 1, 0, "1 card, 1 chip each"),
    ],
)
def test_whole_cards_are_whole(table, soc, count, per_card, found):
    check = table(soc, count, per_card=per_card)["npu.card"]
    assert (check.status, check.found) == (Status.OK, found)


def test_a_card_with_fewer_chips_than_its_like(table):
    check = table("Ascend310", 6)["npu.card"]
    assert check.found == "only a part is seen: 2 of 4 chips of NPU 4"


def test_a_chip_in_use_is_told_with_what_uses_it_and_what_is_free(table):
    check = table(count=3, fault="smi:in-use")["npu.in-use"]
    assert check.details["processes"][0].keys() == {"npu", "chip", "pid", "name", "memory_mb"}
    assert check.status is Status.WRONG
    assert not check.required
    assert check.found == "device 0: python3 (pid 51234), AICore 97 %"
    assert check.remedy.startswith("Take a free one: --device 1 (free: 1-2)")
    assert table(count=1, fault="smi:in-use")["npu.in-use"].remedy.startswith("Wait")


def test_memory_that_is_taken_by_what_is_not_seen(table):
    check = table("Ascend910B4", 1, change=("2866 / 65536", "30011/ 65536"))["npu.in-use"]
    assert check.found == "device 0: 30011 of 65536 MB of HBM taken, by what is not seen from here"
    assert table("Ascend910B4", 1)["npu.in-use"].status is Status.OK


def test_what_a_mapping_does_not_tell_is_not_said():
    assert list(by_id("NPU ID  Chip ID  Chip Logic ID  Chip Name\n3  0  0  Ascend 910B4\n")) == [
        "npu.smi",
        "npu.chips",
        "npu.card",
        "npu.numbers",
    ]


def test_the_chips_of_a_card_are_numbered_in_one_word(table):
    assert (
        table("Ascend310", 8)["npu.numbers"].found
        == "--device 0-3 = NPU 1, chips 0-3; 4-7 = NPU 4, chips 0-3"
    )


def test_numbers_of_devices_where_the_table_has_none(table):
    mapped = table("Ascend910B4", 2, mapped=True)["npu.numbers"]
    assert mapped.found == "--device 1 = NPU 1, chip 0; 0 = NPU 4, chip 0"
    assert mapped.details["mapping"][0] == {"device": 1, "npu": 1, "chip": 0}
    counted = table("Ascend910B4", 2)["npu.numbers"].found
    assert counted.endswith("counted in the order of the table, which does not number them")
    assert "Phy-ID is the host's number" in table("Ascend910_9392", 2, mapped=True)["npu.numbers"].found
    assert (
        table(count=1, change=("| 1       310P3", "| 0       310P3"))["npu.numbers"].found
        == "those of the column NPU"
    )


def test_a_cut_table_is_told_and_its_chips_count():
    first = "| 0 310P3 | OK | 15.8 42 |\n| 0 0 | NA | 0 |\n"
    found = by_id(
        "| NPU Name | Health | Power(W) Temp(C) |\n| Chip Device | Bus-Id | AICore(%) |\n"
        + first
        + "| 1 310P3 | OK | 15 42 |\n"
    )
    assert found["npu.smi"].status is Status.WRONG
    assert not found["npu.smi"].required
    assert found["npu.chips"].found == "1 x Ascend310P3, device 0"


def test_numbers_are_written_as_ranges():
    assert chips.ranges([3, 0, 1, 2, 7, 9, 10]) == "0-3, 7, 9-10"
    assert chips.ranges([]) == ""


def test_tables_of_real_machines_show_chips_or_why_not(pytestconfig):
    samples = root(pytestconfig) / "ascend" / "samples" / "npu_smi"
    if not samples.is_dir():
        pytest.skip(
            f"no printouts of real machines at {samples}; ASCEND_GUIDES_REFERENCE names another place"
        )
    for path in sorted(samples.glob("*.txt")):
        found = by_id(path.read_text())
        assert ("npu.chips" in found) != path.name.startswith("e"), path.name
