"""Tables of npu-smi, written in its layouts with other numbers."""

from __future__ import annotations

from common.npu_tools.smi_table import read

LINE = "+-------------------+-----------------+------------------------------------------------------+\n"
DOUBLE = LINE.replace("-", "=")
TITLE = "| npu-smi 22.0.0                   Version: 22.0.2                                            |\n"
HEADER = (
    "| NPU     Name      | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |\n"
    "| Chip    Device    | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |\n"
)
OLD_HEADER = HEADER.replace("          Hugepages-Usage(page) |", "                                |")
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


def chip(npu=0, chip=0, device=0, soc="Ascend310P3", health="OK"):
    return npu, chip, device, soc, health


def parse(text):
    """Return of each chip what these tables tell apart."""
    return [(each.npu, each.chip, each.device, each.soc, each.health) for each in read(text).chips]


H_910 = """
| NPU   Name                | Health        | Power(W)    Temp(C)           Hugepages-Usage(page)|
| Chip                      | Bus-Id        | AICore(%)   Memory-Usage(MB)  HBM-Usage(MB)        |
+===========================+===============+====================================================+
"""
# Of NPUs 3 and 5, whose order is not that of the devices.
MAPPING = """
        NPU ID                         Chip ID                        Chip Logic ID                  Chip Name
        3                              0                              1                              Ascend 910B4
        3                              1                              -                              Mcu
        5                              0                              0                              Ascend 910B4
        5                              1                              -                              Mcu
"""


def chips_910(*npus):
    """Return the rows of 910 chips, one on each card."""
    return "".join(
        f"| {npu:<5} 910B4               | OK            | 91.5        44                0    / 0             |\n"
        f"| 0                         | 0000:C{npu}:00.0  | 12          0    / 0          3011 / 65536         |\n"
        for npu in npus
    )


ONE_CHIP = [chip()]
ONE_ROW = rows(0, "310P3", 0, 0, "0000:82:00.0").splitlines(keepends=True)[1]
CARD = "".join(rows(2, "310", chip, 8 + chip, f"0000:0{chip}:00.0") + LINE for chip in range(4))
CARD_CHIPS = [chip(npu=2, chip=number, device=8 + number, soc="Ascend310") for number in range(4)]
TWO = rows(1, "310P3", 0, 0, "0000:82:00.0") + LINE + rows(5, "310P3", 0, 1, "0000:C2:00.0", health="Alarm")
# The 910 tables name the whole chip and have no device column, or the number that the host gives the chip.
NO_DEVICE = rows(3, "910B4", 0, "", "0000:C1:00.0") + LINE + rows(4, "Ascend910", 0, "", "0000:C2:00.0")
PHYSICAL = "".join(
    rows(npu, "Ascend910", c, 2 * npu + c, f"0000:9{npu}:0{c}.0") for npu in (4, 5) for c in (0, 1)
)
NO_BUS = rows(0, "310B4", 0, 0, "NA", health="Alarm") + DOUBLE + rows(1, "310B4", 0, "-", "-", health="NA")
TABLES = {
    "910 with two chips on a card, in a container that sees two of eight cards": (
        LINE + HEADER.replace("Device", "Phy-ID") + DOUBLE + PHYSICAL.replace("15.8", "-   ") + DOUBLE,
        [chip(npu=4 + n // 2, chip=n % 2, device=n, soc="Ascend910") for n in range(4)],
    ),
    "boards that are no PCIe cards": (
        LINE + HEADER + DOUBLE + NO_BUS + DOUBLE,
        [chip(soc="Ascend310B4", health="Alarm"), chip(npu=1, device=1, soc="Ascend310B4", health="NA")],
    ),
    "indented, with blanks at the ends of lines, and longer bus ids": (
        "".join(f"  {line} \n" for line in ONE.replace("0000:82", "00000000:82").splitlines()),
        ONE_CHIP,
    ),
    "digits that are no number": (ONE.replace("| 0 ", "| \u00b2 "), []),
    "a number of any length": (ONE.replace("| 0      ", f"| {'9' * 5000}"), []),
    "910": (
        LINE + HEADER.replace("Device", "      ") + DOUBLE + NO_DEVICE + DOUBLE,
        [chip(npu=3, soc="Ascend910B4"), chip(npu=4, device=1, soc="Ascend910")],
    ),
    "one chip": (ONE, ONE_CHIP),
    "no title": (ONE.replace(TITLE, ""), ONE_CHIP),
    "no hugepages": (ONE.replace(HEADER, OLD_HEADER).replace("0    / 0", " " * 8), ONE_CHIP),
    "a card of four chips": (LINE + HEADER + DOUBLE + CARD, CARD_CHIPS),
    "two cards": (
        LINE + HEADER + DOUBLE + TWO + DOUBLE,
        [chip(npu=1), chip(npu=5, device=1, health="Alarm")],
    ),
    "a table of processes below": (ONE + LINE + PROCESSES, ONE_CHIP),
    "with rows like those of chips": (ONE + PROCESSES + rows(7, "310P3", 0, 7, "0000:92:00.0"), ONE_CHIP),
    "lines before and after": (f"warming up\n\n{ONE}bye\n", ONE_CHIP),
    "lines as Windows ends them": (ONE.replace("\n", "\r\n"), ONE_CHIP),
    "no chip": (LINE + TITLE + HEADER + DOUBLE, []),
    "processes only": (PROCESSES, []),
    "nothing": ("", []),
    "a second row without its first": (HEADER + DOUBLE + ONE_ROW, []),
    "a first row without its second": (ONE.split("| 0       0 ")[0], []),
    "a second row that is cut before anything tells that its numbers are whole": (ONE.split("| 0000")[0], []),
    "a second row that is cut after its bus id": (ONE.split("0            1074")[0], ONE_CHIP),
}
