"""What npu-smi tells: chips, what runs on them, and why there are none. Sizes are MB, as it prints them."""

from __future__ import annotations

from dataclasses import dataclass

from common.npu_tools.smi_problem import Said


@dataclass(frozen=True)
class Chip:
    """One chip: `device` is the id that inference tools take, `soc` the name that ATC takes.

    `device` is the table's column Device, else the Chip Logic ID of `npu-smi info -m`, else the chip's place in the table;
    never `physical` (Phy-ID), which numbers the host's chips, while tools in a container that sees some of them count
    from 0. `health` is None where the printout does not tell, as is all below it. Sizes in MB, `aicore_pct` 0 to 100.
    """

    npu: int
    chip: int
    device: int
    soc: str
    health: str | None
    power_w: float | None = None
    temp_c: float | None = None
    bus_id: str | None = None
    aicore_pct: float | None = None
    memory_used_mb: int | None = None
    memory_total_mb: int | None = None
    hbm_used_mb: int | None = None
    hbm_total_mb: int | None = None
    physical: int | None = None


@dataclass(frozen=True)
class Process:
    """A process on a chip, as the host numbers processes; its name is empty and its memory None where not told."""

    npu: int
    chip: int
    pid: int
    name: str
    memory_mb: int | None


@dataclass(frozen=True)
class Table:
    """What a printout shows.

    Attributes:
        chips: the chips, in the printout's order.
        processes: what runs on them; `lists_processes` tells whether the printout has such a list at all.
        version: the driver's version, else npu-smi's own, which is `tool`.
        said: why there are no chips, or not all, and what to do; None where nothing is wrong with the printout.
        has_devices: the ids of devices stand in it, and are not its rows counted.
    """

    chips: tuple[Chip, ...] = ()
    processes: tuple[Process, ...] = ()
    version: str | None = None
    tool: str | None = None
    said: Said | None = None
    has_devices: bool = False
    lists_processes: bool = False

    @property
    def problem(self) -> str | None:
        """Why there are no chips, or not all, with what to do, in one text; None where nothing is wrong."""
        return str(self.said) if self.said else None
