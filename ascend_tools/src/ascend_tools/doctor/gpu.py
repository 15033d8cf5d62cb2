"""The NVIDIA card that the guides compare with: its driver, and TensorRT's trtexec."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from ascend_tools.doctor import children, places
from ascend_tools.doctor.check import Check, Level, Registered, Status

_TITLES = {"gpu.driver": "NVIDIA driver", "gpu.trtexec": "trtexec"}
_SECONDS = 30.0
_QUERY = "--query-gpu=index,name,driver_version,memory.total"
_WITHOUT = (
    "Nothing has to be done without an NVIDIA card; with one, install its driver from nvidia.com/drivers."
)
_TENSORRT = "Install TensorRT from developer.nvidia.com/tensorrt, its archive or its Debian or RPM package: the pip wheels lack trtexec."
_FAILURES = {
    "driver/library version mismatch": "the driver was upgraded and is not loaded yet: restart the machine",
    "couldn.t communicate with the nvidia driver": "the driver is not loaded: sudo modprobe nvidia, or install it again for "
    "this kernel",
    "couldn.t find libnvidia-ml": "the container lacks the driver's library: start it with docker run --gpus all",
    "no devices were found": "the driver sees no card: look with lspci whether it is there, and start containers with "
    "docker run --gpus all",
    "insufficient permissions": "the user may not use the card: look at the permissions of /dev/nvidia*",
}
_BANNER = re.compile(r"\[TensorRT v([0-9]{4,7})\]")


def _check(each: str, status: Status, found: str, remedy: str = "", **details: object) -> Check:
    return Check(each, _TITLES[each], status, found, remedy, required=False, details=details)


def _driver() -> Sequence[Check]:
    """Return which NVIDIA cards there are, as nvidia-smi says."""
    if shutil.which("nvidia-smi") is None:
        return [_check("gpu.driver", Status.MISSING, "no nvidia-smi on PATH", _WITHOUT)]
    ran = children.run(["nvidia-smi", _QUERY, "--format=csv,noheader"], _SECONDS)
    if ran.problem:
        return [
            _check(
                "gpu.driver",
                Status.WRONG,
                f"nvidia-smi: {ran.problem}",
                "Install the driver again, then restart.",
            )
        ]
    rows = [[cell.strip() for cell in line.split(",")] for line in ran.printed.splitlines()]
    cards = [row for row in rows if len(row) == 4 and row[0].isdecimal()]
    if ran.status == 0 and cards:
        words = ", ".join(f"{name} ({memory})" for _, name, _, memory in cards) + f", driver {cards[0][2]}"
        names = [name for _, name, _, _ in cards]
        return [_check("gpu.driver", Status.OK, words, cards=names, driver=cards[0][2])]
    said = " ".join(ran.printed.split())
    remedy = next((words for text, words in _FAILURES.items() if re.search(text, said.lower())), "")
    words = f"nvidia-smi ends with {ran.status}: {said[:200] or 'it says nothing'}"
    return [
        _check(
            "gpu.driver",
            Status.WRONG,
            words,
            f"{remedy or 'Install the driver again, then restart'}.".replace("..", "."),
        )
    ]


def _trtexec() -> Sequence[Check]:
    """Return which trtexec there is; from TensorRT 10 on it ends with an error though it says its version."""
    found = shutil.which("trtexec")
    if found is None:
        place = _elsewhere()
        if place is None:
            return [_check("gpu.trtexec", Status.MISSING, "no trtexec on PATH", _TENSORRT)]
        command = f"export PATH={place.parent}:$PATH"
        return [
            _check(
                "gpu.trtexec", Status.WRONG, f"{place} is there, and not on PATH", command, command=command
            )
        ]
    ran = children.run([found, "--version"], _SECONDS)
    if ran.library:
        folder = Path(found).resolve().parent.parent / "lib"
        remedy = f"export LD_LIBRARY_PATH={folder}:$LD_LIBRARY_PATH" if folder.is_dir() else _TENSORRT
        details = {"command": remedy} if folder.is_dir() else {}
        words = f"{found} does not start: {ran.problem}"
        return [_check("gpu.trtexec", Status.WRONG, words, remedy, library=ran.library, **details)]
    if ran.problem:
        return [_check("gpu.trtexec", Status.WRONG, f"{found} does not start: {ran.problem}", _TENSORRT)]
    banner = _BANNER.search(ran.printed)
    if banner is None:
        said = children.last_line(ran.printed) or "nothing"
        words = f"{found} --version names no TensorRT, it ends with {ran.status} and says: {said}"
        return [_check("gpu.trtexec", Status.WRONG, words, _TENSORRT)]
    version = _version(banner[1])
    return [_check("gpu.trtexec", Status.OK, f"TensorRT {version}, {found}", version=version, path=found)]


def _elsewhere() -> Path | None:
    """Return a trtexec where the packages put it, which is on nobody's PATH."""
    names = ("usr/src/tensorrt/bin", "opt/tensorrt/bin", "usr/local/tensorrt/bin", "usr/local/TensorRT/bin")
    there = (places.ROOT / name / "trtexec" for name in names)
    return next((path for path in there if path.is_file() and os.access(path, os.X_OK)), None)


def _version(digits: str) -> str:
    """Return TensorRT's version from its number: 8401 is 8.4.1, 100900 is 10.9.0."""
    number = int(digits)
    major = 10000 if len(digits) > 4 else 1000
    return f"{number // major}.{number % major // 100}.{number % 100}"


PROBES = (
    Registered(
        _driver, {"gpu.driver": _TITLES["gpu.driver"]}, Level.DEFAULT, 45.0, frozenset({"gpu.driver"})
    ),
    Registered(
        _trtexec, {"gpu.trtexec": _TITLES["gpu.trtexec"]}, Level.DEFAULT, 45.0, frozenset({"gpu.trtexec"})
    ),
)
