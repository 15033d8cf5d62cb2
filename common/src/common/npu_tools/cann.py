"""Which CANN the environment has, from the files that it is installed with.

Source: CANN's set_env.sh sets ASCEND_TOOLKIT_HOME, ASCEND_HOME_PATH or both; releases differ in the file that names the
version and in how.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_VARIABLES = ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH")
# Best first: of the whole toolkit, then of its parts.
_FILES = (
    "*-linux/ascend_toolkit_install.info",
    "ascend_toolkit_install.info",
    "version.cfg",
    "*-linux/version.cfg",
    "version.info",
    "toolkit/version.info",
    "compiler/version.info",
)
# version=8.0.RC3; toolkit_running_version=[7.3.0.1.231:8.0.RC2]; version_dir=7.0.RC1; Version=1.84.15.1.231
_FORMS = (
    re.compile(r"^version\s*=\s*(\S+)", re.MULTILINE),
    re.compile(r"^(?:toolkit_)?(?:running|installed)_version\s*=\s*\[[^\]:]*:([^\]:]+)\]", re.MULTILINE),
    re.compile(r"^version_dir\s*=\s*(\S+)", re.MULTILINE),
    re.compile(r"^Version\s*=\s*(\S+)", re.MULTILINE),
)
_MOST = 1 << 16  # bytes of such a file


def version() -> str | None:
    """Return the version of the CANN whose set_env.sh was sourced, for example 8.0.RC3, or None where it is not told."""
    homes = filter(None, (os.environ.get(variable) for variable in _VARIABLES))
    return next((found for home in homes if (found := version_in(Path(home)))), None)


def version_in(home: Path) -> str | None:
    """Return the version of the CANN in a directory, None where it is not told."""
    for pattern in _FILES:
        for path in sorted(home.glob(pattern)):
            if found := _read(path):
                return found
    return None


def _read(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST)
    except OSError:
        return None
    return next((found[1] for form in _FORMS if (found := form.search(text))), None)
