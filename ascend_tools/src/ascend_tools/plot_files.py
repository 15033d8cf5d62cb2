"""Plots as files, an SVG and a PNG of each, which look alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ascend_tools.fonts import place_for_fonts
from common.files import staged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".svg", ".png")
_DPI = 160
_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib's own, which is there on every machine
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
}


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """Set how a plot looks that is drawn in the block; matplotlib is imported there.

    The same figures are the same SVG file: `name` is what matplotlib makes its parts' identifiers of.
    """
    with place_for_fonts():
        import matplotlib as mpl

        with mpl.rc_context({**_SETTINGS, "svg.hashsalt": name}):
            yield


def save(figure: Figure, path: Path) -> list[Path]:
    """Write an SVG and a PNG file, `path` with another suffix, and return the paths of both."""
    paths = [path.with_suffix(suffix) for suffix in SUFFIXES]
    for each in paths:
        dated: dict[str, Any] = {"Date": None} if each.suffix == ".svg" else {}
        with staged(each) as temporary:
            figure.savefig(temporary, dpi=_DPI, metadata=dated)
    return paths


def remove(path: Path) -> None:
    """Remove what an earlier run has drawn there."""
    for suffix in SUFFIXES:
        path.with_suffix(suffix).unlink(missing_ok=True)
