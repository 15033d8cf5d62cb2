"""npu_smi.py: the chips in the table of `npu-smi info`."""

from __future__ import annotations

import pytest

from common.errors import GuideError
from common.npu_tools.smi import Chip, parse, soc_version

LINE = "+-------------------+-----------------+------------------------------------------------------+\n"
DOUBLE = LINE.replace("-", "=")
TITLE = "| npu-smi 22.0.0                   Version: 22.0.2                                            |\n"
HEADER = (
    "| NPU     Name      | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |\n"
    "| Chip    Device    | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |\n"
)
OLD_HEADER = (
    "| NPU     Name      | Health          | Power(W)     Temp(C)                                 |\n"
    "| Chip    Device    | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |\n"
)
PROCESSES = (
    "| NPU     Chip      | Process id      | Process name             | Process memory(MB)        |\n"
    + DOUBLE
    + "| 0       0         | 31337           | python3                  | 120                       |\n"
    + LINE
    + "| No running processes found in NPU 1                                                         |\n"
)


def rows(npu, name, chip, device, bus, *, health="OK", hugepages="0    / 0", memory="1074 / 21534"):
    return (
        f"| {npu:<7} {name:<9} | {health:<15} | 15.8         42                {hugepages:<20}  |\n"
        f"| {chip:<7} {device:<9} | {bus:<15} | 0            {memory:<40}|\n"
    )


ONE = LINE + TITLE + HEADER + DOUBLE + rows(0, "310P3", 0, 0, "0000:82:00.0") + DOUBLE
ONE_CHIP = [Chip(npu=0, chip=0, device=0, soc="Ascend310P3", health="OK")]
ONE_ROW = rows(0, "310P3", 0, 0, "0000:82:00.0").splitlines(keepends=True)[1]
CARD = "".join(rows(2, "310", chip, 8 + chip, f"0000:0{chip}:00.0") + LINE for chip in range(4))
CARD_CHIPS = [Chip(npu=2, chip=chip, device=8 + chip, soc="Ascend310", health="OK") for chip in range(4)]
TWO = rows(1, "310P3", 0, 0, "0000:82:00.0") + LINE + rows(5, "310P3", 0, 1, "0000:C2:00.0", health="Alarm")
# The 910 tables name the whole chip and have no device column.
NO_DEVICE = rows(3, "910B4", 0, "", "0000:C1:00.0") + LINE + rows(4, "Ascend910", 0, "", "0000:C2:00.0")
TABLES = {
    "910": (
        LINE + HEADER.replace("Device", "      ") + DOUBLE + NO_DEVICE + DOUBLE,
        [
            Chip(npu=3, chip=0, device=0, soc="Ascend910B4", health="OK"),
            Chip(npu=4, chip=0, device=0, soc="Ascend910", health="OK"),
        ],
    ),
    "one chip": (ONE, ONE_CHIP),
    "no title": (ONE.replace(TITLE, ""), ONE_CHIP),
    "no hugepages": (
        LINE + TITLE + OLD_HEADER + DOUBLE + rows(0, "310P3", 0, 0, "0000:82:00.0", hugepages="") + DOUBLE,
        ONE_CHIP,
    ),
    "a card of four chips": (LINE + HEADER + DOUBLE + CARD, CARD_CHIPS),
    "two cards": (
        LINE + HEADER + DOUBLE + TWO + DOUBLE,
        [
            Chip(npu=1, chip=0, device=0, soc="Ascend310P3", health="OK"),
            Chip(npu=5, chip=0, device=1, soc="Ascend310P3", health="Alarm"),
        ],
    ),
    "a table of processes below": (ONE + LINE + PROCESSES, ONE_CHIP),
    "lines before and after, as Windows ends them": (
        f"warming up\n\n{ONE}bye\n".replace("\n", "\r\n"),
        ONE_CHIP,
    ),
    "no chip": (LINE + TITLE + HEADER + DOUBLE, []),
    "processes only": (PROCESSES, []),
    "nothing": ("", []),
    "a second row without its first": (HEADER + DOUBLE + ONE_ROW, []),
    "a first row without its second": (ONE.rsplit("| 0 ", 1)[0], []),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_chips_of_a_table(name):
    table, chips = TABLES[name]
    assert parse(table) == chips


def test_a_process_table_does_not_add_chips_even_if_its_rows_look_like_them():
    assert parse(ONE + PROCESSES + rows(7, "310P3", 0, 7, "0000:92:00.0")) == ONE_CHIP


@pytest.mark.parametrize("name", ["one chip", "two cards", "no hugepages", "a table of processes below"])
def test_the_soc_version_of_the_machine(npu_smi, name):
    npu_smi(TABLES[name][0])
    assert soc_version() == "Ascend310P3"


@pytest.mark.parametrize(
    ("table", "found"),
    [
        (TABLES["no chip"][0], "no chip"),
        (
            ONE + rows(1, "310", 0, 1, "0000:83:00.0"),
            "several kinds of chip: Ascend310, Ascend310P3",
        ),
    ],
)
def test_no_chip_and_several_kinds_ask_for_the_option(npu_smi, table, found):
    npu_smi(table)
    with pytest.raises(GuideError) as error:
        soc_version()
    assert str(error.value) == (
        f"`npu-smi info` shows {found}. Name the chip with --soc-version, for example --soc-version Ascend310P3."
    )


def test_a_failing_tool_is_shown_with_its_words(npu_smi):
    npu_smi("dcmi module initialize failed. ret is -8005", code=1)
    with pytest.raises(GuideError) as error:
        soc_version()
    assert "`npu-smi info` failed with exit code 1:\ndcmi module initialize failed" in str(error.value)
    assert "--soc-version Ascend310P3" in str(error.value)


@pytest.mark.usefixtures("nothing_on_path")
def test_a_missing_tool_asks_for_the_option():
    with pytest.raises(GuideError) as error:
        soc_version()
    assert str(error.value).startswith(
        "the program `npu-smi` is not on PATH. Name the chip with --soc-version"
    )
