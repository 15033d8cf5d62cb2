"""Which NPU chips a network ran on."""

from __future__ import annotations

from common import rehearsal
from common.backends.base import Backend
from common.npu_tools import smi

SECONDS = 10.0  # for npu-smi to answer, once the network has run


def chips_of(deployed: Backend) -> list[str]:
    """Return the names of the NPU chips of the machines that a network is open on, if it runs on any."""
    if hasattr(deployed, "chips"):  # a cluster's
        return list(deployed.chips)
    on_npu = deployed.name.startswith("om ") or "CANN" in deployed.name
    if not on_npu or deployed.name.endswith(rehearsal.SUFFIX):
        return []
    return [chip.soc for chip in smi.look(SECONDS).chips]
