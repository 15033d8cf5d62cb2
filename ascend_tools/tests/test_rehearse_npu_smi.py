"""The stand-in for npu-smi: its tables, and its faults."""

from __future__ import annotations

import subprocess
import time

import pytest

from ascend_tools.rehearse import layout, npu_smi, settings
from common import rehearsal
from common.npu_tools import smi_table


@pytest.fixture
def info(tmp_path, monkeypatch, capsys):
    """Return what `npu-smi` prints with these words in a rehearsal of so many chips, and its exit status."""

    def ask(soc, chips, *words, per_card=0):
        layout.write(tmp_path / "r", settings.Settings(soc, chips, per_card=per_card))
        monkeypatch.setenv(rehearsal.VARIABLE, str(tmp_path / "r"))
        status = npu_smi.main(list(words))
        return status, capsys.readouterr().out

    return ask


def cells(table):
    """Return the rows of the chips as cells of words, and check that all rows are of one width."""
    lines = [line for line in table.splitlines() if line[:1] in ("|", "+")]
    assert len(set(map(len, lines))) == 1
    rows = [[cell.split() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return [row for row in rows if len(row) == 3 and row[0][0].isdecimal()]


def test_a_card_has_four_chips_where_the_chip_is_a_310(info):
    status, table = info("Ascend310", 6, "info")
    rows = cells(table)
    assert status == 0
    assert rehearsal.NOTE in table.splitlines()
    assert [row[0] for row in rows[::2]] == [["1", "310"]] * 4 + [["4", "310"]] * 2
    assert [row[0] for row in rows[1::2]] == [
        ["0", "0"],
        ["1", "1"],
        ["2", "2"],
        ["3", "3"],
        ["0", "4"],
        ["1", "5"],
    ]


def test_a_310p_has_a_column_of_devices_that_is_not_that_of_npus(info):
    rows = cells(info("Ascend310P3", 3, "info")[1])
    assert [row[0] for row in rows] == [
        ["1", "310P3"],
        ["0", "0"],
        ["4", "310P3"],
        ["0", "1"],
        ["7", "310P3"],
        ["0", "2"],
    ]
    assert [row[1] for row in rows] == [
        ["OK"],
        ["0000:81:00.0"],
        ["OK"],
        ["0000:82:00.0"],
        ["OK"],
        ["0000:83:00.0"],
    ]


def test_a_910_has_no_column_of_devices(info):
    _, table = info("Ascend910B4", 2, "info")
    assert "HBM-Usage(MB)" in table
    assert [row[0] for row in cells(table)] == [["1", "910B4"], ["0"], ["4", "910B4"], ["0"]]


def test_the_mapping_has_logic_ids_and_the_boards_own_processor(info):
    _, table = info("Ascend310P3", 2, "info", "-m")
    rows = [line.split() for line in table.splitlines()[2:]]
    assert rows == [
        ["1", "0", "0", "Ascend", "310P3"],
        ["1", "1", "-", "Mcu"],
        ["4", "0", "1", "Ascend", "310P3"],
        ["4", "1", "-", "Mcu"],
    ]


# Chip, how many, how many a card: NPU, chip, device and Phy-ID of each row, the name shown, its bus.
GENERATIONS = [
    ("Ascend310", 5, 0, [(1, 0, 0), (1, 1, 1), (1, 2, 2), (1, 3, 3), (4, 0, 4)], "Ascend310", "0000:81:00.0"),
    ("Ascend310P3", 4, 2, [(1, 0, 0), (1, 1, 1), (4, 0, 2), (4, 1, 3)], "Ascend310P3", "0000:81:00.0"),
    ("Ascend310B4", 1, 0, [(1, 0, 0)], "Ascend310B4", None),
    ("Ascend910A", 3, 0, [(1, 0, 2), (4, 0, 1), (7, 0, 0)], "Ascend910A", "0000:83:00.0"),
    ("Ascend910B4", 2, 0, [(1, 0, 1), (4, 0, 0)], "Ascend910B4", "0000:82:00.0"),
    ("Ascend910_9392", 4, 0, [(1, 0, 3), (1, 1, 2), (4, 0, 1), (4, 1, 0)], "Ascend910", "0000:84:00.0"),
]


@pytest.mark.parametrize(("soc", "chips", "per_card", "rows", "shown", "bus"), GENERATIONS)
def test_each_generations_table_is_read_with_its_mapping(info, soc, chips, per_card, rows, shown, bus):
    table = info(soc, chips, "info", per_card=per_card)[1]
    mapping = info(soc, chips, "info", "-m", per_card=per_card)[1]
    found = smi_table.read(table + mapping)
    assert [(chip.npu, chip.chip, chip.device) for chip in found.chips] == rows
    assert {chip.soc for chip in found.chips} == {shown}
    assert found.chips[0].bus_id == bus
    assert found.problem is None
    assert found.lists_processes
    alone = smi_table.read(mapping)
    assert [(chip.npu, chip.chip, chip.device) for chip in alone.chips] == rows
    assert {chip.soc for chip in alone.chips} == {shown}


def test_a_card_of_two_dies_has_the_hosts_numbers_and_one_power(info):
    found = smi_table.read(info("Ascend910_9392", 2, "info")[1]).chips
    assert [chip.physical for chip in found] == [5, 4]
    assert [chip.device for chip in found] == [0, 1]  # counted, where nobody asks for the mapping
    assert [chip.power_w for chip in found] == [17.4, None]
    mapped = smi_table.read(info("Ascend910_9392", 2, "info", "-m")[1]).chips
    assert [(chip.device, chip.physical) for chip in mapped] == [(1, 5), (0, 4)]


def test_a_duos_chips_have_more_memory_than_a_single_one(info):
    assert smi_table.read(info("Ascend310P3", 2, "info")[1]).chips[0].memory_total_mb == 21527
    assert smi_table.read(info("Ascend310P3", 2, "info", per_card=2)[1]).chips[0].memory_total_mb == 44280


@pytest.mark.parametrize("soc", ["Ascend310P3", "Ascend910B4"])
def test_the_chip_in_use_is_device_0(info, soc, monkeypatch):
    monkeypatch.setenv("REHEARSAL_FAULT", "smi:in-use,smi:alarm")
    found = smi_table.read(info(soc, 3, "info")[1] + info(soc, 3, "info", "-m")[1])
    busy = next(chip for chip in found.chips if chip.device == 0)
    assert (busy.aicore_pct, busy.health) == (97, "Alarm")
    assert [process.npu for process in found.processes] == [busy.npu]


def test_the_list_counts_cards_and_chips(info):
    _, table = info("Ascend310", 6, "info", "-l")
    numbers = [line.split(":")[1].strip() for line in table.splitlines() if line.startswith("\t")]
    assert numbers == ["2", "1", "4", "4", "2"]


def test_other_words_are_refused(info):
    for words in ([], ["info", "-x"], ["set"]):
        status, printed = info("Ascend310", 1, *words)
        assert status == 1
        assert "Usage: npu-smi" in printed
    assert info("Ascend310", 1, "-h")[0] == 0


@pytest.mark.parametrize(
    ("fault", "status", "text"),
    [
        ("smi:-8005", 1, "dcmi module initialize failed. ret is -8005"),
        ("smi:-8020", 1, "ret is -8020"),
        ("smi:no-table", 0, rehearsal.NOTE),
    ],
)
def test_a_fault_leaves_no_table(fault, status, text, sourced, capsys):
    sourced(fault)
    assert npu_smi.main(["info"]) == status
    printed = capsys.readouterr().out
    assert text in printed
    assert "|" not in printed


def test_without_the_drivers_library_it_does_not_begin(sourced, capsys):
    sourced("no-driver")
    assert npu_smi.main(["info"]) == 127
    assert "libascend_hal.so: cannot open shared object file" in capsys.readouterr().err


def test_one_that_hangs_is_still_there(sourced, rehearsal_folder):
    sourced("smi:hang")
    with subprocess.Popen([rehearsal_folder / "bin" / "npu-smi", "info"], stdout=subprocess.PIPE) as process:
        time.sleep(1)
        assert process.poll() is None
        process.kill()
