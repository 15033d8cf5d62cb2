"""Faults that the stand-ins make on request, to see them found and told.

    REHEARSAL_FAULT=device-taken:1,result-short python evaluate.py --backend om ...

Names are separated by commas. A fault of a device is made on all of them, or on those named after a colon.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping

from ascend_tools.rehearse.atc_codes import CODES
from common.errors import GuideError

VARIABLE = "REHEARSAL_FAULT"
# The Python packages that ATC's compiler needs, and what they are imported as; te and tbe are CANN's own.
MODULES: Mapping[str, str] = {
    "numpy": "numpy",
    "decorator": "decorator",
    "attrs": "attr",
    "psutil": "psutil",
    "absl-py": "absl",
    "scipy": "scipy",
    "sympy": "sympy",
    "cffi": "cffi",
    "pyyaml": "yaml",
    "pathlib2": "pathlib2",
    "protobuf": "google",
    "requests": "requests",
    "te": "te",
    "tbe": "tbe",
}
# What each does: those of the machine, of atc and aoe, of npu-smi, of everything that opens an OM, of what writes
# results, of what measures.
FAULTS: Mapping[str, str] = {
    "no-driver": "npu-smi, atc, aoe and everything else that loads the driver's library do not find libascend_hal.so",
    "no-dcmi": "npu-smi does not find /usr/local/dcmi, as in a container that it was not mounted into",
    "no-devices": "there are no /dev/davinci*, as in a container without devices: dcmi says -8005, none can be opened",
    **{
        f"no-devices:{name}": f"/dev/{name} is not there; npu-smi and devices fail as without devices"
        for name in ("davinci_manager", "devmm_svm", "hisi_hdc")
    },
    "not-in-group": "the user is not in the group HwHiAiUser: the devices may not be used, dcmi says -8005",
    "driver:old": "driver and firmware are years older than CANN",
    "driver:other-firmware": "driver and firmware are of different releases, and dcmi says -8020",
    **{
        f"atc-python:{name}": f"the Python that ATC embeds has no {name}; atc and aoe fail with EC0010"
        for name in MODULES
    },
    "atc-python:numpy2": "the Python that ATC embeds has a numpy of 2 or newer; atc and aoe fail with EC0010",
    **{f"atc:{code}": f"atc and aoe fail with {code}: {text.about}" for code, text in CODES.items()},
    "atc:no-om": "atc and aoe say that they have succeeded, end with 0 and write no OM",
    "atc:fails-silently": "atc and aoe write the OM, print nothing and end with 255",
    "atc:killed": "atc and aoe are killed while they write, as where memory runs out; half an OM is left",
    "atc:hang": "atc and aoe never end",
    "disk-full": "the disk is full: half an OM is left, or half a result",
    "smi:-8005": "npu-smi cannot use the driver: dcmi says -8005",
    "smi:-8020": "npu-smi cannot use the driver: dcmi says -8020",
    "smi:no-table": "npu-smi ends with 0 and prints no table",
    "smi:hang": "npu-smi never ends",
    "smi:no-chips": "npu-smi prints a table without chips",
    "smi:half-card": "half of the chips are seen, as in a container that was given half a card",
    "smi:alarm": "the first chip's health is Alarm",
    "smi:in-use": "another process uses the first chip: AICore 97 %, a line in the table of processes",
    "device-taken": "the device cannot be opened: 507033",
    "device-lost-halfway": "the device is lost after half of the calls: 507011",
    "soc-mismatch": "the OM counts as built for another chip",
    "opp-mismatch": "the OM counts as built with another version of the operators",
    "load-crash": "what loads an OM crashes: SIGSEGV",
    "precision-collapse": "outputs are off by a third, as where the OM computes in too low a precision",
    "aclruntime:missing": "aclruntime cannot be imported, as where it was built for another Python",
    "aclruntime:other-version": "aclruntime is of another version than ais_bench, and refuses how it is called",
    "acl:crash": "importing acl crashes: SIGSEGV",
    "old-aclruntime": "aclruntime is an old one: a warning, no free_resource",
    "tool-hang": "a tool for inference never ends",
    "tool-dies-halfway": "a tool for inference is killed after half of its inputs; its last result is cut",
    "tool-writes-nothing": "a tool for inference says that it has succeeded and writes no results",
    "result-missing": "one input has no result",
    "result-short": "one result has half its bytes",
    "nan": "one result holds a NaN",
    "benchmark:first-run-outlier": "the first calls after an OM was loaded take eight times as long",
    "benchmark:busy": "another job shares the device with about every second OM that is loaded: it is three times slower",
    "device-throttled": "the device is hot, and the slower the longer it computes, up to 2.5 times",
    "benchmark:wrong-line": "a tool prints a throughput that is not what its times say",
    "trtexec:0-qps": "trtexec prints a throughput of 0 qps",
}
_OF_A_DEVICE = ("device-taken", "device-lost-halfway")


def requested() -> frozenset[str]:
    """Return the faults that the environment asks for, as they stand there; an unknown one is an error."""
    names = [word.strip() for word in os.environ.get(VARIABLE, "").split(",")]
    for name in filter(None, names):
        base, _, device = name.rpartition(":")
        if name not in FAULTS and not (base in _OF_A_DEVICE and device.isdecimal()):
            near = difflib.get_close_matches(name, FAULTS, n=1)
            raise GuideError(
                f"{VARIABLE}: {name!r} is no fault of a rehearsal"
                + (f"; did you mean {near[0]!r}? " if near else ". ")
                + "`python -m ascend_tools.rehearse --faults` lists them."
            )
    return frozenset(filter(None, names))


def is_asked(name: str, device: int | None = None) -> bool:
    """Tell whether a fault of the list is asked for, of this device where one is given."""
    if name not in FAULTS:
        raise KeyError(name)  # a bug of a stand-in
    wanted = requested()
    return name in wanted or (device is not None and f"{name}:{device}" in wanted)


def wanted_code() -> str | None:
    """Return the code with which atc and aoe are to fail, if one is asked for."""
    codes = (name.removeprefix("atc:") for name in sorted(requested()))
    return next((code for code in codes if code in CODES), None)
