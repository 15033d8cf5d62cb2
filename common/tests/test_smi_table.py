"""smi_table.py: the chips and processes in printouts of npu-smi."""

from __future__ import annotations

import json

import pytest

from ascend_tools.testing.reference import root
from common.npu_tools.smi_chips import Process
from common.npu_tools.smi_table import read
from tests.smi_tables import (
    H_910,
    HEADER,
    MAPPING,
    ONE,
    ONE_CHIP,
    PROCESSES,
    TABLES,
    chip,
    chips_910,
    parse,
    rows,
)


@pytest.mark.parametrize("name", TABLES)
def test_the_chips_of_a_table(name):
    table, chips = TABLES[name]
    assert parse(table) == chips


def test_all_that_a_table_tells_of_a_chip():
    found = read(H_910 + chips_910(3)).chips[0]
    assert (found.power_w, found.temp_c, found.bus_id, found.aicore_pct) == (91.5, 44, "0000:C3:00.0", 12)
    assert (found.memory_used_mb, found.memory_total_mb, found.hbm_used_mb, found.hbm_total_mb) == (
        0,
        0,
        3011,
        65536,
    )
    assert found.physical is None
    board = read(HEADER + rows(0, "310B4", 0, 0, "NA").replace("15.8", "NA  ")).chips[0]
    assert (board.power_w, board.bus_id, board.memory_used_mb, board.hbm_total_mb) == (None, None, 1074, None)


def test_the_hosts_number_is_kept_and_is_no_device():
    table = H_910.replace("Chip      ", "Chip  Phy-ID")
    found = read(table + chips_910(2).replace("| 0      ", "| 0     4")).chips[0]
    assert (found.npu, found.device, found.physical) == (2, 0, 4)


def test_processes_are_listed_and_are_no_chips():
    found = read(ONE + PROCESSES)
    assert found.processes == (Process(npu=0, chip=0, pid=31337, name="python3", memory_mb=120),)
    assert found.lists_processes
    assert not read(ONE).lists_processes
    five = PROCESSES.replace("(MB)        |", "(MB) | Process id in container |").replace(
        "120      ", "120 | NA "
    )
    assert read(ONE + five).processes == found.processes
    nameless = PROCESSES.replace("python3", "       ")
    assert read(ONE + nameless).processes == (Process(0, 0, 31337, "", 120),)


def test_the_mapping_alone_has_chips_of_unknown_health():
    found = read(MAPPING)
    assert parse(MAPPING) == [chip(3, 0, 1, "Ascend910B4", None), chip(5, 0, 0, "Ascend910B4", None)]
    assert found.has_devices
    physical = MAPPING.replace("Chip Name", "Chip Phy-ID  Chip Name").replace("Ascend", "7  Ascend")
    assert [each.physical for each in read(physical).chips] == [7, 7]


def test_mappings_of_other_generations():
    oldest = MAPPING.replace("Ascend 910B4", "MiniD").replace("Mcu", "3559")
    assert parse(oldest) == [chip(3, 0, 1, "Ascend310", None), chip(5, 0, 0, "Ascend310", None)]
    newest = "\tNPU ID   Slot ID   Chip ID   Chip Phy-ID   Chip Name\n\t2 -1 0 6 Ascend990XY\n\t3 4 0 7 Ascend990XY\n"
    assert parse(newest) == [chip(2, 0, 0, "Ascend990XY", None), chip(3, 0, 1, "Ascend990XY", None)]
    assert [each.physical for each in read(newest).chips] == [6, 7]
    without_logic = "NPU ID  Chip ID  Chip Phy-ID  Chip Name\n0  0  3  Ascend990XY\n0  1  -  Mcu\n"
    assert parse(without_logic) == [chip(soc="Ascend990XY", health=None)]
    table = HEADER + rows(2, "990XY", 0, "", "NA") + rows(3, "990XY", 0, "", "NA")
    both = read(f"{table}\n{newest}").chips
    assert [(each.npu, each.device, each.health, each.physical) for each in both] == [
        (2, 0, "OK", 6),
        (3, 1, "OK", 7),
    ]


def test_a_mapping_after_a_table_numbers_its_devices():
    found = read(f"{H_910}{chips_910(3, 5)}\n$ npu-smi info -m\n{MAPPING}")
    assert [(each.npu, each.device, each.health) for each in found.chips] == [(3, 1, "OK"), (5, 0, "OK")]
    assert found.has_devices
    assert not read(H_910 + chips_910(3, 5)).has_devices


def test_a_generation_that_numbers_the_npu_alone():
    table = """
| NPU ID | Name        | Health | Power(W) Temp(C) Hugepages-Usage(page) |
|        |             | Bus-Id | NPU Util(%) Memory-Usage(MB) HBM-Usage(MB) |
| 0      | Ascend990XY | OK     | 88.0 41 0 / 0 |
|        |             | NA     | 17 0 / 0 512 / 9216 |
| 4      | Ascend990XY | Alarm  | 90.0 42 0 / 0 |
|        |             | NA     | 0 0 / 0 640 / 9216 |
| NPU ID | Process id | Process name | Process memory(MB) |
| 4      | 4321       | python       | 77                 |
"""
    assert parse(table) == [chip(soc="Ascend990XY"), chip(4, 0, 1, "Ascend990XY", "Alarm")]
    assert read(table).processes == (Process(4, 0, 4321, "python", 77),)
    assert read(table).chips[0].aicore_pct == 17


@pytest.mark.parametrize(
    ("header", "row", "device"),
    [
        (
            "| Chip    | Bus-Id          Device | AICore(%)    Memory-Usage(MB) |",
            "| 0 | 0000:82:00.0 5 | 0 1 / 2 |",
            5,
        ),
        ("| Chip | Bus-Id | Device | AICore(%)  Memory-Usage(MB) |", "| 0 | NA | 6 | 0 1 / 2 |", 6),
        ("| Chip    Device    | AICore(%)    Memory-Usage(MB) |", "| 0 7 | 0 1 / 2 |", 7),
        (
            "| Chip    Device    | Bus-Id | AICore(%) Other(%) Memory-Usage(MB) |",
            "| 0 8 | NA | 0 9 1 / 2 |",
            8,
        ),
    ],
)
def test_columns_in_another_order_or_missing(header, row, device):
    first = rows(3, "310P3", 0, 0, "NA").splitlines()[0]
    table = "\n".join([HEADER.splitlines()[0], header, first, row])
    assert parse(table) == [chip(npu=3, device=device)]
    assert (read(table).chips[0].memory_used_mb, read(table).chips[0].memory_total_mb) == (1, 2)


def test_names_in_several_words_and_words_that_are_not_known():
    table = HEADER + rows(3, "310P3", 0, 2, "NA").replace("310P3   ", "310P3 vir02").replace(
        "15.8", "15.8 (max)"
    )
    assert parse(table) == [chip(npu=3, device=2, soc="Ascend310P3vir02")]
    assert read(table).chips[0].temp_c == 42


def test_a_second_table_of_the_same_chips_is_newer():
    assert parse(ONE + "later\n" + ONE.replace("OK ", "Bad")) == [chip(health="Bad")]
    assert parse(ONE + ONE.replace("| 0       310P3", "| 2       310P3")) == [*ONE_CHIP, chip(npu=2)]


def test_a_table_of_single_rows():
    table = "| NPU   Name   | Health  | Power(W)  Temp(C) |\n| 0     910B1  | OK      | ~89W      ~48C    |\n"
    table += table.splitlines()[1].replace("0   ", "6   ") + "\n"
    assert parse(table) == [chip(soc="Ascend910B1"), chip(npu=6, device=1, soc="Ascend910B1")]
    assert read(table).chips[0].power_w == 89


def test_a_cut_table_says_so():
    whole = HEADER + rows(0, "310P3", 0, 0, "NA") + rows(1, "310P3", 0, 1, "NA")
    cut = read(whole[: whole.rindex("|", 0, -2)].rsplit("\n", 1)[0])
    assert [each.npu for each in cut.chips] == [0]
    assert cut.problem.startswith("a row could not be read: of NPU 1 only the first one is there. Save")
    assert read(whole).problem is None
    without_first = "\n".join(line for line in whole.splitlines() if "1       310P3" not in line)
    assert "a row could not be read: 0 1 | NA" in read(without_first).problem


def test_tables_of_real_machines(pytestconfig):
    samples = root(pytestconfig) / "ascend" / "samples"
    if not samples.is_dir():
        pytest.skip(
            f"no printouts of real machines at {samples}; ASCEND_GUIDES_REFERENCE names another place"
        )
    for name, expected in json.loads((samples / "EXPECTED.json").read_text()).items():
        if name.startswith("npu_smi/"):
            found = read((samples / name).read_text())
            assert_read(found, expected, name)


def assert_read(found, expected, name):
    """Compare what was read with what a printout is known to say."""
    for order, (each, told) in enumerate(zip(found.chips, expected.get("chips", []), strict=False)):
        device = told["device_id"] if told["device_column"] == "Device" else order
        soc = f"Ascend{told['name'].removeprefix('Ascend')}"
        assert (each.npu, each.chip, each.device, each.soc) == (
            told["npu_id"],
            told["chip_id"],
            device,
            soc,
        ), name
        for field in (
            "health",
            "power_w",
            "temp_c",
            "bus_id",
            "aicore_pct",
            "memory_used_mb",
            "hbm_total_mb",
        ):
            assert getattr(each, field) == told.get(field), (name, field)
    mapped = [(each["npu_id"], each["chip_id"], each["logic_id"]) for each in expected.get("map", [])]
    assert len(found.chips) == len(expected.get("chips") or mapped), name
    if mapped:
        assert [(each.npu, each.chip, each.device) for each in found.chips] == mapped
    processes = [(each["npu_id"], each["pid"], each["memory_mb"]) for each in expected.get("processes", [])]
    assert [(each.npu, each.pid, each.memory_mb) for each in found.processes] == processes, name
    assert found.version == expected.get("driver_version"), name
    assert bool(found.problem) == (not found.chips), name
    if "error_code" in expected:
        assert found.said.code == expected["error_code"]
