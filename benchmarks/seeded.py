"""The ONNX files that are measured where a user names none: exports with seeded weights."""

from __future__ import annotations

import sys
from pathlib import Path

from common import cli, process
from common.errors import GuideError
from common.facts import read_facts
from inputs import ROOT

LIMIT = 1800  # seconds


def seeded(name: str) -> Path:
    """Return the ONNX file of a model's seeded export, made where it is missing."""
    cli.announce(f"{name}: exporting with seeded weights, unless that was done before")
    words = [sys.executable, "-m", "ascend_tools.testing.exports"]
    code, printed = process.run(words, "", capture=True, folder=ROOT / name, seconds=LIMIT)
    if code:
        raise GuideError(f"{name}: the export failed: {printed.strip()[-500:]}")
    return Path(printed.strip().splitlines()[-1]) / Path(read_facts(ROOT / name).onnx).name
