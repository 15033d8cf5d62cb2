"""Where a machine has what the NPU's software is installed with; a rehearsal has places of its own.

Sources: CANN documentation, "Installing CANN", "Installing the NPU driver and firmware".
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from common import rehearsal

ROOT = Path("/")  # a test has another
HOMES = ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH")  # what set_env.sh sets
HAL = "libascend_hal.so"  # the driver's library
_INSTALL_INFO = "etc/ascend_install.info"  # says where the driver is, where that is not /usr/local/Ascend
_KITS = ("ascend-toolkit", "cann", "nnae", "nnrt")  # those with ATC first; nnrt runs OM files only
_MOST = 1 << 16  # bytes of a file of settings


def _machine() -> ModuleType:
    """Return the module that knows a rehearsal's places; real machines do without what it needs."""
    from ascend_tools.rehearse import machine

    return machine


def _ascend_folders() -> Iterator[Path]:
    """Yield the directories that the vendor's packages may lie in: the system's, then the user's."""
    yield ROOT / "usr/local/Ascend"
    info = read(ROOT / _INSTALL_INFO)
    if found := re.search(r"^Driver_Install_Path_Param=(/\S+)", info, re.MULTILINE):
        yield ROOT / found[1].lstrip("/")
    yield Path("~/Ascend").expanduser()
    yield ROOT / "opt/Ascend"
    yield ROOT / "home/HwHiAiUser/Ascend"


def device_folder() -> Path:
    """Return the directory of the device nodes: davinci0, ..., davinci_manager, devmm_svm, hisi_hdc."""
    return _machine().device_folder() if rehearsal.is_active() else ROOT / "dev"


def atc_python() -> Path:
    """Return the Python that a rehearsal's ATC embeds; a real one's is found by PATH."""
    return Path(_machine().atc_python())


def dcmi_folder() -> Path:
    """Return the directory of npu-smi's own library."""
    return _machine().dcmi_folder() if rehearsal.is_active() else ROOT / "usr/local/dcmi"


def driver_folders() -> list[Path]:
    """Return the directories that may hold the driver's libraries, those that exist, best first."""
    if rehearsal.is_active():
        return [path for path in (_machine().driver_folder() / "lib64",) if path.is_dir()]
    below = ("lib64", "lib64/driver", "lib64/common")
    places = [folder / "driver" / name for folder in _ascend_folders() for name in below]
    places += [ROOT / "usr/lib64", ROOT / "usr/lib64/aicpu_kernels"]  # boards whose system brings the driver
    return [path for path in dict.fromkeys(places) if path.is_dir()]


def version_files() -> list[tuple[str, Path]]:
    """Return the files that name the versions of driver and firmware, those that exist, each with whose it is."""
    if rehearsal.is_active():
        found = [("driver", _machine().driver_folder()), ("firmware", _machine().firmware_folder())]
    else:
        found = [(name, folder / name) for folder in _ascend_folders() for name in ("driver", "firmware")]
    return [(name, path / "version.info") for name, path in found if (path / "version.info").is_file()]


def homes() -> list[Path]:
    """Return the directories of CANN that set_env.sh has put into the environment, whether they exist or not."""
    return [Path(value) for value in dict.fromkeys(os.environ.get(name, "") for name in HOMES) if value]


def toolkits() -> list[Path]:
    """Return the directories of CANN that are installed in the usual places, the most useful first."""
    if rehearsal.is_active():
        return list(dict.fromkeys([*homes(), _machine().toolkit()]))
    found = []
    for kit in _KITS:
        for folder in _ascend_folders():
            places = [
                folder / kit / "latest",
                folder / kit,
                *sorted(folder.glob(f"{kit}-[0-9]*"), reverse=True),
            ]
            places += sorted((folder / kit).glob("[0-9]*"), reverse=True)
            found += [place for place in places if _is_toolkit(place)][:1]
    return list(dict.fromkeys(found))


def _is_toolkit(folder: Path) -> bool:
    parts = (
        f"{arch()}-linux",
        "aarch64-linux",
        "x86_64-linux",
        "arm64-linux",
        "opp",
        "compiler",
        "runtime",
        "atc",
        "pyACL",
    )
    return any((folder / part).is_dir() for part in parts)


def set_env(home: Path) -> Path | None:
    """Return the set_env.sh that belongs to a directory of CANN: in it, or one above, where its links are kept."""
    names = [home / "set_env.sh", home.parent / "set_env.sh", home / "bin" / "setenv.bash"]
    return next((path for path in names if path.is_file()), None)


def arch() -> str:
    """Return the processor as CANN's directories are named after it, x86_64 or aarch64."""
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(platform.machine().lower(), platform.machine())


def stub_folders(home: Path) -> list[Path]:
    """Return the directories with CANN's stand-ins for the driver's libraries, with which ATC alone can do."""
    places = (home / f"{arch()}-linux" / "devlib", home / "devlib", home / "runtime/lib64/stub")
    return [path for path in places if (path / HAL).exists()]


def search_path(variable: str) -> list[Path]:
    """Return the directories of PATH, LD_LIBRARY_PATH or PYTHONPATH."""
    return [Path(each) for each in os.environ.get(variable, "").split(os.pathsep) if each]


def is_below(path: Path, folder: Path) -> bool:
    """Tell whether a path is a directory or lies below it, by name or by where links lead."""
    pairs = ((path.absolute(), folder.absolute()), (path.resolve(), folder.resolve()))
    return any(each == place or place in each.parents for each, place in pairs)


def read(path: Path) -> str:
    """Return the text of a small file; "" where it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST)
    except OSError:
        return ""
