"""Which NPUs this machine has, by `npu-smi info`, and by `npu-smi info -m` where the first does not number the devices."""

from __future__ import annotations

import dataclasses
import shutil
import sys

from common import process
from common.errors import GuideError
from common.npu_tools import smi_problem, smi_table
from common.npu_tools.smi_chips import Chip, Table
from common.npu_tools.smi_problem import Said

_REMEDY = "Name the chip with --soc-version, for example --soc-version Ascend310P3."
_HANGS = smi_problem.HANGS
_SECONDS = 60  # it takes a few on a machine with many cards; a driver that hangs never answers


def look(seconds: float = _SECONDS) -> Table:
    """Return what npu-smi shows of this machine: chips, numbered as inference tools do, and what runs on them.

    It raises nothing: a tool that is missing, fails, or has not answered after `seconds`, is told in `problem`.
    """
    if shutil.which("npu-smi") is None:
        return Table(said=smi_problem.ABSENT)
    try:
        code, text = process.run(["npu-smi", "info"], _HANGS.remedy, seconds=seconds, capture=True)
    except (GuideError, OSError) as error:
        words = str(error).removesuffix(_HANGS.remedy).strip()
        return Table(said=dataclasses.replace(_HANGS, found=f"{_HANGS.found}: {words.rstrip('.')}"))
    table = _numbered(text, seconds)
    if code and table.chips:
        said = Said(f"npu-smi ended with exit code {code} after its table", "See what it says: npu-smi info")
        return dataclasses.replace(table, said=said)
    return table


def chips() -> list[Chip]:
    """Return the chips that `npu-smi info` shows; a tool that is missing, fails or shows no table is an error."""
    return list(_numbered(_table(), _SECONDS).chips)


def soc_version() -> str:
    """Return the `--soc_version` of this machine's chips, for example Ascend310P3."""
    names = sorted({chip.soc for chip in smi_table.read(_table()).chips})
    if len(names) != 1:
        found = f"several kinds of chip: {', '.join(names)}" if names else "no chip"
        raise GuideError(f"`npu-smi info` shows {found}. {_REMEDY}")
    return names[0]


def soc_versions() -> set[str]:
    """Return the kinds of this machine's chips, none where npu-smi is not there, or does not tell, which is noted on stderr."""
    if shutil.which("npu-smi") is None:
        return set()
    try:
        return {chip.soc for chip in smi_table.read(_table()).chips}
    except (GuideError, OSError) as error:
        words = str(error).removesuffix(_REMEDY).strip()
        print(f"note: which chip this machine has is not known. {words}", file=sys.stderr, flush=True)
        return set()


def _table() -> str:
    """Return the table that `npu-smi info` prints; where it fails or prints none, that is an error."""
    code, text = process.run(["npu-smi", "info"], _REMEDY, seconds=_SECONDS, capture=True)
    if code or "|" not in text:  # it may fail with exit code 0
        how = f"failed with exit code {code}" if code else "shows no table of chips, but says"
        raise GuideError(f"`npu-smi info` {how}:\n{text.strip()}\n{smi_problem.why(text)}\n{_REMEDY}")
    return text


def _numbered(text: str, seconds: float) -> Table:
    """Read a table; of one without a column Device, npu-smi is asked for the ids, which old ones do not know."""
    table = smi_table.read(text)
    if not table.chips or table.has_devices:
        return table
    try:
        code, mapping = process.run(["npu-smi", "info", "-m"], _REMEDY, seconds=seconds, capture=True)
    except (GuideError, OSError):
        return table
    return table if code else smi_table.read(f"{text}\n{mapping}")
