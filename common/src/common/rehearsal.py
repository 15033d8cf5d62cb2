"""Whether an NPU's tools, models and results are a rehearsal's, which has no NPU.

A program for the desk writes stand-ins for the tools. What they make is marked, so that its figures never pass for an
NPU's: an OM file by how it begins, a directory of results by a file in it, a printout by a line.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

VARIABLE = "ASCEND_GUIDES_REHEARSAL"  # the rehearsal's directory, set by its set_env.sh
NOTE = "REHEARSAL: no NPU was used; ONNX Runtime ran the network on this machine's CPU"
CAVEAT = "a rehearsal without an NPU, in which ONNX Runtime ran the network on this machine's CPU"
SUFFIX = "(rehearsal)"  # of the name of a backend
OM_BEGIN = b"ASCEND-GUIDES-REHEARSAL-OM\n"
MARK = ".rehearsal"
SETTINGS = "rehearsal.json"  # in the rehearsal's directory
_HEADER = 2**20  # bytes of an OM file's line of JSON at most


def is_active() -> bool:
    """Tell whether a rehearsal's settings are in the environment."""
    return bool(os.environ.get(VARIABLE))


def is_rehearsed_om(path: Path) -> bool:
    """Tell whether an OM file is a rehearsal's, which no NPU can load."""
    with path.open("rb") as file:
        return file.read(len(OM_BEGIN)) == OM_BEGIN


def precision(om: Path) -> str:
    """Return in what a rehearsal's OM file computes, as the line of JSON after its beginning says."""
    with om.open("rb") as file:
        file.seek(len(OM_BEGIN))
        try:
            header = json.loads(file.readline(_HEADER))
        except ValueError:  # told by who loads it
            return "float32"
    return "float16-emulated" if isinstance(header, dict) and header.get("half") else "float32"


def precision_here() -> str:
    """Return in what the OM files compute that are made in the rehearsal whose settings are in the environment."""
    try:
        settings = json.loads((Path(os.environ.get(VARIABLE, "")) / SETTINGS).read_bytes())
    except (OSError, ValueError):  # told by who needs them
        return "float32"
    return "float16-emulated" if isinstance(settings, dict) and settings.get("half") else "float32"


def mark(folder: Path) -> None:
    """Mark a directory of results as a rehearsal's."""
    (folder / MARK).write_text(f"{NOTE}\n", encoding="utf-8")


def is_marked(folder: Path) -> bool:
    """Tell whether a directory of results is a rehearsal's."""
    return (folder / MARK).is_file()


def is_rehearsed(text: str) -> bool:
    """Tell whether a printout or a summary, of lines or JSON, was made in a rehearsal."""
    return any(mark in text for mark in (NOTE, CAVEAT, SUFFIX))
