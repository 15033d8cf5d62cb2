"""Detections in VOC's own form: `comp4_det_test_<class>.txt` for each class, one line per box.

A line is `name score xmin ymin xmax ymax`: the picture's name in test.txt, the score with three decimals, the box in
pixels with one, counted from 1. The original writes the same; boxes of equal scores, which three decimals make many,
count here in the order of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import shorten
from common.errors import GuideError
from common.files import read_text, write_text
from rfcn_voc.voc import CLASSES, FAR, LIST, Voc

Array = NDArray[Any]
_ROW = np.dtype([("name", "O"), ("numbers", np.float64, 5)])


@dataclass(frozen=True)
class Detections:
    """The boxes found, class by class in the order of the files' lines.

    `picture` (N int64) counts the pictures from 0, `category` (N int64) the classes; `score` is N float64; `boxes`, Nx4
    float64, are xmin, ymin, xmax, ymax in pixels from 1.
    """

    picture: Array
    category: Array
    score: Array
    boxes: Array


def result_file(folder: Path, name: str) -> Path:
    """Return the path of the result file of a class."""
    return folder / f"comp4_det_test_{name}.txt"


def result_files(folder: Path) -> list[Path]:
    """Return the paths of the result files of all classes."""
    return [result_file(folder, name) for name in CLASSES]


def write_detections(folder: Path, data: Voc, detections: Mapping[str, Array]) -> None:
    """Write the detections in all pictures of the data set, an empty file for a class without any.

    Args:
        folder: the directory of the result files.
        data: the pictures, in the order of the lines.
        detections: by stem, Nx6 float32: xmin, ymin, xmax, ymax in pixels from 0, score, class 1..20.
    """
    names = [picture.name for picture in data.pictures.values()]
    found = [detections[stem] for stem in data.pictures]
    rows = np.concatenate((np.empty((0, 6)), *found))  # float64, in which the original adds the 1
    rows[:, :4] += 1
    owners = np.repeat(np.arange(len(found)), np.array([len(boxes) for boxes in found], np.int64))
    for number, name in enumerate(CLASSES, 1):
        chosen = rows[:, 5] == number
        lines = [
            f"{names[i]} {score:.3f} {left:.1f} {top:.1f} {right:.1f} {bottom:.1f}\n"
            for i, (left, top, right, bottom, score, _) in zip(
                owners[chosen].tolist(), rows[chosen].tolist(), strict=True
            )
        ]
        write_text(result_file(folder, name), "".join(lines))


def read_detections(folder: Path, data: Voc) -> Detections:
    """Read the result files of all classes; a box in a picture that the data set does not have is an error."""
    paths = result_files(folder)
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise GuideError(
            f"{len(missing)} of the {len(paths)} result files are missing in {folder}: {shorten(missing, most=20)}; "
            "a class without detections has an empty one."
        )
    indices = {picture.name: i for i, picture in enumerate(data.pictures.values())}
    tables = [_read_file(path, indices) for path in paths]
    pictures = [picture for picture, _ in tables]
    return Detections(
        picture=np.concatenate(pictures),
        category=np.repeat(np.arange(len(paths)), [len(picture) for picture in pictures]),
        score=np.concatenate([numbers[:, 0] for _, numbers in tables]),
        boxes=np.concatenate([numbers[:, 1:] for _, numbers in tables]),
    )


def _read_file(path: Path, indices: Mapping[str, int]) -> tuple[Array, Array]:
    """Return what one file holds: N pictures by their index, and Nx5 float64, score and box."""
    text = read_text(path)
    if not text.strip():
        return np.empty(0, np.int64), np.empty((0, 5))
    try:
        rows = _read_rows(text.split("\n"))
    except ValueError:
        raise _first_damage(path, text) from None
    if not (np.abs(rows["numbers"]) <= FAR).all():  # NaN compares false
        raise _first_damage(path, text)
    names = rows["name"].tolist()
    pictures = np.array([indices.get(name, -1) for name in names], np.int64)
    strangers = np.flatnonzero(pictures < 0)
    if len(strangers):
        numbers = [number for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        raise GuideError(
            f"{path}:{numbers[strangers[0]]}: the picture {names[strangers[0]]!r} is none of the {len(indices)} in "
            f"{LIST}; {len(strangers)} lines of this file name such pictures. Give the detections and the data that "
            "belong together."
        )
    return pictures, rows["numbers"].copy()  # without the names, which take more memory


def _read_rows(lines: list[str]) -> Array:
    return np.loadtxt(lines, _ROW, comments=None, ndmin=1)


def _first_damage(path: Path, text: str) -> GuideError:
    """Return the error that tells the first line of a file that is no detection."""
    number, line = next(
        (number, line) for number, line in enumerate(text.split("\n"), 1) if not _is_detection(line)
    )
    return GuideError(
        f"{path}:{number}: expected `name score xmin ymin xmax ymax`, numbers up to {FAR:.0f}, found {line!r}."
    )


def _is_detection(line: str) -> bool:
    """Tell whether a line can be read; a blank one can."""
    try:
        return not line.strip() or bool((np.abs(_read_rows([line])["numbers"]) <= FAR).all())
    except ValueError:
        return False
