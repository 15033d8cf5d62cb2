"""Which files of a model lie at hand, in the places where the commands and the guides leave them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from common.facts import Facts

OUTPUT = "output"  # evaluate.py's --out
_CHECKPOINTS = ("weights", "model", "")  # as common.export.checkpoint looks for it


def onnx_files(facts: Facts, folder: Path) -> list[Path]:
    """Return the ONNX files that run, best first: the guide's place, which the steps write to, then evaluate.py's."""
    return _there(facts.onnx, folder)


def atc_files(facts: Facts, folder: Path) -> list[Path]:
    """Return the ONNX files for ATC, as above; for some networks that is another one than the one that runs."""
    return _there(facts.atc.onnx or facts.onnx, folder)


def _there(name: str, folder: Path) -> list[Path]:
    places = dict.fromkeys((folder / name, folder / Path(name).name, folder / OUTPUT / Path(name).name))
    return [path for path in places if path.is_file()]


def om_files(facts: Facts, folder: Path) -> list[tuple[int | None, Path]]:
    """Return the OM files and the batch sizes in their names, by batch size; None where it takes several, or only one.

    ATC adds system and processor to some names, common.atc `_aoe` to that of a tuned one.
    """
    begin, braces, end = Path(facts.atc.output).name.partition("{batch_size}")
    size = r"(?P<size>[1-9][0-9]{0,5}|dynamic)" if braces else "(?P<size>)"
    form = re.compile(rf"{re.escape(begin)}{size}{re.escape(end)}(?:_aoe)?(?:_linux_\w+)?\.om")
    places = dict.fromkeys((folder / Path(facts.atc.output).parent, folder, folder / OUTPUT))
    found = [
        (int(match["size"]) if match["size"].isdecimal() else None, path)
        for place in places
        for path in _files(place)
        if (match := form.fullmatch(path.name))
    ]
    return sorted(found, key=lambda each: each[0] or 0)


def checkpoints(facts: Facts, folder: Path) -> Iterator[Path]:
    """Yield the checkpoints that evaluate.py and pth2onnx.py would take, the guide's own first; not read here."""
    for wanted in filter(None, (facts.checkpoint.guides, facts.checkpoint)):
        for place in _CHECKPOINTS:
            if os.path.lexists(path := folder / place / wanted.file):
                yield path


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return []
