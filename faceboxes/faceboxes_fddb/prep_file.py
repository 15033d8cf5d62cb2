"""FDDB.txt, which preprocess.py writes for postprocess.py: what each picture was scaled by on the way into the network."""

from __future__ import annotations

from pathlib import Path

from common.errors import GuideError
from common.files import read_text


def stored_factor(factor: float) -> float:
    """Round a resize factor to the three decimals of FDDB.txt.

    The published figure has the resulting scale error, up to 0.12 %, in it.
    """
    return float(f"{factor:.3f}")


def prep_line(stem: str, factor: float) -> str:
    """Return the line of FDDB.txt about one picture: name, padded height and width, resize factor."""
    return f"{stem} 1024.000 1024.000 {factor:.3f}\n"


def read_prep(path: Path) -> dict[str, float]:
    """Read the FDDB.txt that preprocess.py writes: resize factors, with three decimals, by stem."""
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError:
        raise GuideError(f"{path}: no such file; make it with preprocess.py.") from None
    factors = {}
    for number, line in enumerate(lines, 1):
        stem, *numbers = line.rsplit(" ", 3)
        try:
            height, width, factor = map(float, numbers)
        except ValueError:
            height = width = factor = 0
        if (height, width) != (1024, 1024) or not 0 < factor <= 1024 or stem in factors:
            raise GuideError(
                f"{path}:{number}: expected `name 1024.000 1024.000 factor`, each name once, found {line!r}."
            )
        factors[stem] = factor
    return factors
