"""How npu-smi shows the chips of each generation, and which cards they sit on."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ascend_tools.rehearse import settings


@dataclass(frozen=True)
class Layout:
    """The layout of one generation.

    Attributes:
        socs: a regular expression of the chips, as ATC names them.
        column: what stands beside the chip's id: `Device`, `Phy-ID`, the host's number of the chip, or nothing.
        per_card: the chips of a card, which share an NPU id.
        memory: used and total MB; of the 910 family without HBM.
        hbm: the same of HBM, "" for no such column.
        bus: whether the chip is a PCIe card, and has a bus id.
        name: what is shown for a chip, "" for its own name.
        reversed: logic ids do not count in the order of the rows.
    """

    socs: str
    column: str = "Device"
    per_card: int = 1
    memory: str = "1432 / 21527"
    hbm: str = ""
    bus: bool = True
    name: str = ""
    reversed: bool = False

    def shown(self, soc: str) -> str:
        """Return a chip's name in the column Name."""
        return self.name or soc.removeprefix("Ascend")


_HBM = "2866 / 65536"
_LAYOUTS = (
    Layout("Ascend310", per_card=4, memory="2621 / 8192"),
    Layout("Ascend310B.*", memory="2210 / 11577", bus=False),
    Layout("Ascend310P.*|Ascend610.*"),
    Layout("Ascend910_.*", "Phy-ID", 2, "0    / 0", _HBM, name="Ascend910", reversed=True),
    Layout(
        "Ascend910|Ascend910(A|ProA|PremiumA)", "", memory="1809 / 15079", hbm="0    / 32768", reversed=True
    ),
    Layout("Ascend910.*", "", memory="0    / 0", hbm=_HBM, reversed=True),
)
_DUO = "1432 / 44280"  # a chip's memory where a card has two 310P


def of(given: settings.Settings) -> Layout:
    """Return the layout of a rehearsal's chips; those that are not known are shown as the 310P."""
    return next((each for each in _LAYOUTS if re.fullmatch(each.socs, given.soc)), _LAYOUTS[2])


def per_card(given: settings.Settings) -> int:
    """Return how many chips a card has: what was asked for, else as many as usual."""
    return given.per_card or of(given).per_card


def memory(given: settings.Settings) -> str:
    """Return a chip's used and total memory as the table shows it."""
    layout = of(given)
    return _DUO if layout.column == "Device" and layout.per_card < per_card(given) else layout.memory
