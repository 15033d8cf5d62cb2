"""The .bin files that a preprocessing step writes: those that are missing are made, those of other inputs noted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from common import cli
from common.resume import unfinished
from common.threads import map_threads


def is_whole(path: Path, size: int) -> bool:
    """Tell whether a file is there with all its bytes."""
    return path.is_file() and path.stat().st_size == size


def write_missing(
    out: Path,
    sources: Mapping[str, Path],
    targets: Callable[[str], Sequence[Path]],
    make: Callable[[str], object],
    *,
    size: int,
    workers: int,
) -> None:
    """Call `make` in threads for each named source whose targets, files of `size` bytes, are not all there.

    A target counts if it was made from the same source file, which `OUT/preprocess.json` tells.
    """
    todo = unfinished(out / "preprocess.json", {}, sources, targets, lambda path: is_whole(path, size))
    for _ in cli.progress(map_threads(make, todo, workers), len(todo), "preprocess"):
        pass


def note_others(out: Path, names: Collection[str]) -> None:
    """Print a note about .bin files in a directory that have other names: an inference would take them, too."""
    others = sorted(path.stem for path in out.glob("[!.]*.bin") if path.stem not in names)
    if others:
        print(f"note: {len(others)} more .bin files there belong to other pictures: {cli.shorten(others)}")
