"""All probes, in the order in which their lines are shown."""

from __future__ import annotations

from ascend_tools.doctor import (
    atc,
    atc_modules,
    backends,
    cann,
    chips,
    cpu,
    driver,
    gpu,
    inference,
    inference_tools,
    packages,
)
from ascend_tools.doctor.check import Registered

MACHINE: tuple[Registered, ...] = (
    *chips.PROBES,
    *driver.PROBES,
    *cann.PROBES,
    *atc.PROBES,
    *atc_modules.PROBES,
    *inference.PROBES,
    *inference_tools.PROBES,
    *gpu.PROBES,
    *cpu.PROBES,
    *packages.PROBES,
    *backends.PROBES,
)
