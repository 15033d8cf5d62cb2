"""What a rehearsal's machine has besides CANN: device nodes, driver, firmware, the Python that ATC embeds.

On real hosts these places are fixed (/dev, /usr/local/Ascend/driver, /usr/local/dcmi); a rehearsal has its own, as the
faults that are asked for leave them. The libraries among them are text, and nothing loads them.
"""

from __future__ import annotations

import os
import platform
from itertools import takewhile
from pathlib import Path

from ascend_tools.rehearse import faults, settings
from common import rehearsal
from common.files import make_folder, write_text

DRIVER = "24.1.rc3"  # of the driver, as its version.info says; npu-smi is of the same package
OLD_DRIVER = "20.2.0"  # years older than the rehearsal's CANN
_FIRMWARE = {DRIVER: "7.5.0.1.129", OLD_DRIVER: "1.77.22.6.220"}
_OLD_FIRMWARE = ("driver:old", "driver:other-firmware")
MANAGERS = ("davinci_manager", "devmm_svm", "hisi_hdc")
HAL = "libascend_hal.so"
NO_NODES = ("no-devices", *(f"no-devices:{name}" for name in MANAGERS))
VISIBLE = "ASCEND_RT_VISIBLE_DEVICES"  # CANN's, of what a process may use
_HALF = "smi:half-card"
_ASIDE = "with-fault"  # the directory of what some faults leave of the others


def arch() -> str:
    """Return what CANN calls this processor's directory."""
    return f"{platform.machine()}-linux"


def seen(given: settings.Settings) -> int:
    """Return how many chips are seen: with the fault of half a card, half of them."""
    return max(given.chips // 2, 1) if faults.is_asked(_HALF) else given.chips


def visible(given: settings.Settings) -> list[int]:
    """Return the chips that AscendCL lets this process use, which calls them 0, 1, 2 and so on; npu-smi shows all.

    What comes after a word that is no chip's number is not read (CANN documentation, environment variables).
    """
    numbers = [str(number) for number in range(seen(given))]
    asked = os.environ.get(VISIBLE)
    words = numbers if asked is None else takewhile(numbers.__contains__, asked.split(","))
    return [int(word) for word in words]


def write(folder: Path, given: settings.Settings) -> None:
    """Write the machine into a rehearsal's directory."""
    nodes = [f"davinci{number}" for number in range(given.chips)]
    _nodes(folder / "dev", [*nodes, *MANAGERS])
    _nodes(_aside(folder, NO_NODES[0]) / "dev", [])
    _nodes(_aside(folder, _HALF) / "dev", [*nodes[: max(given.chips // 2, 1)], *MANAGERS])
    for fault, lost in zip(NO_NODES[1:], MANAGERS, strict=True):
        there = [*nodes, *(name for name in MANAGERS if name != lost)]
        _nodes(_aside(folder, fault) / "dev", there)
    _driver(folder, DRIVER)
    _driver(_aside(folder, "driver:old"), OLD_DRIVER)
    _firmware(folder, DRIVER)
    for fault in _OLD_FIRMWARE:
        _firmware(_aside(folder, fault), OLD_DRIVER)
    make_folder(_aside(folder, "no-driver") / "driver")
    _text(folder / "dcmi" / "libdcmi.so")
    make_folder(_aside(folder, "no-dcmi") / "dcmi")
    _text(folder / arch() / "devlib" / HAL)


def _aside(folder: Path, fault: str) -> Path:
    return folder / _ASIDE / fault.replace(":", "-")


def _nodes(folder: Path, names: list[str]) -> None:
    make_folder(folder)
    for name in names:
        _text(folder / name)
    for path in folder.iterdir():  # of a rehearsal of more chips
        if path.name not in names and path.name.startswith("davinci"):
            path.unlink()


def _driver(folder: Path, version: str) -> None:
    _text(folder / "driver" / "lib64" / HAL)
    text = f"Version={version}\nascendhal_version=7.35.23\naicpu_version=1.0\npackage_version={version}\n"
    write_text(folder / "driver" / "version.info", text)


def _firmware(folder: Path, driver: str) -> None:
    write_text(
        folder / "firmware" / "version.info", f"Version={_FIRMWARE[driver]}\npackage_version={driver}\n"
    )


def _text(path: Path) -> None:
    write_text(path, f"{rehearsal.NOTE}\n")


def toolkit() -> Path:
    """Return the rehearsal's directory, which is that of CANN, too."""
    return Path(os.environ[rehearsal.VARIABLE])


def _place(name: str, *wanted: str) -> Path:
    """Return a directory of the rehearsal, or what the first of these faults that is asked for leaves of it."""
    asked = next((fault for fault in wanted if faults.is_asked(fault)), None)
    return (_aside(toolkit(), asked) if asked else toolkit()) / name


def device_folder() -> Path:
    """Return what stands for /dev: files for the chips seen, and for the driver's managers."""
    return _place("dev", *NO_NODES, _HALF)


def may_use(node: Path) -> bool:
    """Tell whether the user may read and write a device; to an administrator no file would say no."""
    return not faults.is_asked("not-in-group") and os.access(node, os.R_OK | os.W_OK)


def driver_folder() -> Path:
    """Return what stands for /usr/local/Ascend/driver: lib64/libascend_hal.so and version.info."""
    return _place("driver", "no-driver", "driver:old")


def firmware_folder() -> Path:
    """Return what stands for /usr/local/Ascend/firmware: version.info."""
    return _place("firmware", *_OLD_FIRMWARE)


def dcmi_folder() -> Path:
    """Return what stands for /usr/local/dcmi, which npu-smi loads its library from."""
    return _place("dcmi", "no-dcmi")


def has_stub() -> bool:
    """Tell whether CANN's stub of the driver's library is on LD_LIBRARY_PATH, with which ATC alone can do."""
    stub = toolkit() / arch() / "devlib"
    return str(stub) in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)


def atc_python() -> Path:
    """Return the Python that ATC embeds."""
    return toolkit() / "atc-python" / "python3"
