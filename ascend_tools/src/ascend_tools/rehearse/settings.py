"""What a rehearsal stands in for: chip, number of chips, release. Written by the command, read by every stand-in."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from common import rehearsal
from common.errors import GuideError

FILE = rehearsal.SETTINGS
SOC = "Ascend310P3"
CANN = "8.0.RC3-rehearsal"  # what stands in for the version of CANN


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The chip as ATC names it, for example Ascend310P3, how many of them there are, and the release.

    `per_card` is how many of them share a card, 0 for as many as usual; of 310P chips a Duo has two. With `half` OM files
    are made that compute in half precision as their options say, emulated.
    """

    soc: str = SOC
    chips: int = 1
    cann: str = CANN
    per_card: int = 0
    half: bool = False


def read(folder: Path) -> Settings:
    """Read a rehearsal's settings; a directory that is none is an error."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except (OSError, msgspec.DecodeError) as error:
        raise GuideError(
            f"{path}: not a rehearsal's settings: {error}; write them again: python -m ascend_tools.rehearse {folder}"
        ) from None


def is_half() -> bool:
    """Tell whether OM files are to compute in half precision; outside of a rehearsal they are not."""
    return rehearsal.is_active() and current().half


def current() -> Settings:
    """Return the settings of the rehearsal whose set_env.sh was sourced, or whose program was called."""
    folder = os.environ.get(rehearsal.VARIABLE)
    if not folder:
        raise GuideError("no rehearsal is set up here; source the set_env.sh in the rehearsal's directory.")
    return read(Path(folder))
