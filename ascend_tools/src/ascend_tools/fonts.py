"""A directory for matplotlib's list of fonts, on machines where it has none that can be written to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def place_for_fonts() -> Iterator[None]:
    """Give matplotlib a directory for its list of fonts in the block, where it has none that can be written to."""
    if os.environ.get("MPLCONFIGDIR") or _is_home_writable():
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MPLCONFIGDIR"] = folder
        try:
            yield
        finally:
            del os.environ["MPLCONFIGDIR"]


def _is_home_writable() -> bool:
    home = Path("~").expanduser()
    places = (home / ".config/matplotlib", home / ".config", home)
    return any(os.access(place, os.W_OK | os.X_OK) for place in places if place.is_dir())
