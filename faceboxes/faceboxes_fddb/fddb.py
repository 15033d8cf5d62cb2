"""The FDDB data set and its file formats (http://vis-www.cs.umass.edu/fddb/).

Ten folds of annotations, `FDDB-fold-01-ellipseList.txt` to `-10-`: per picture a name line, a count line and
one line per face, `major_radius minor_radius angle centre_x centre_y 1`. Detections are stored as FDDB's own
tools read them: per picture a name line, a count line and one line `x y width height score` per box.
"""

from __future__ import annotations

import argparse
import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import progress, shorten
from common.errors import GuideError, about
from common.files import read_text, write_text
from common.images.header import picture_size
from faceboxes_fddb.ellipses import face_boxes

Array = NDArray[Any]
FOLDS = 10
FAR = 100_000  # pixels; beyond any picture
DATA_HELP = "The FDDB data set: annotations in FDDB-folds/ or ground_truth/, pictures in originalPics/, in images/ or directly"
# Where the guide has the annotations, apart from the pictures: seen from the model directory, and from the first one's parent.
GUIDES_PLACES = (Path("FDDB_Evaluation/ground_truth"), Path("ground_truth"))
LISTS = [f"FDDB-fold-{i:02d}-ellipseList.txt" for i in range(1, FOLDS + 1)]
TREE = """expected:
  DIR/FDDB-folds/FDDB-fold-01-ellipseList.txt to FDDB-fold-10-ellipseList.txt   (or in DIR/ground_truth/,
    or apart from the pictures: in FDDB_Evaluation/ground_truth/ of the working directory, or where --labels says)
  DIR/originalPics/2002/08/11/big/img_591.jpg and so on                         (or in DIR/images/, or in DIR)"""


@dataclass(frozen=True)
class Picture:
    """One annotated picture: FDDB's name for it and its faces, Nx5 float64.

    Columns: major and minor radius in pixels, angle in radians, centre x and y in pixels.
    """

    name: str
    faces: Array

    @property
    def stem(self) -> str:
        """The name used for files: `2002/08/11/big/img_591` becomes `2002_08_11_big_img_591`."""
        return self.name.replace("/", "_")

    @functools.cached_property
    def boxes(self) -> Array:
        """The boxes around the faces, Nx4 int64, see `ellipses.face_boxes`."""
        return face_boxes(self.faces)


Fold = list[Picture]


def add_labels(arguments: argparse.ArgumentParser, more: str = "") -> None:
    """Add `--labels DIR`."""
    arguments.add_argument(
        "-g",
        "--labels",
        type=Path,
        metavar="DIR",
        help="The directory with the ten annotation lists, where they are apart from the pictures (default: in --data, "
        f"else {' or '.join(f'{place}/' for place in GUIDES_PLACES)}).{more}",
    )


def find_labels(data: Path | None, labels: Path | None = None) -> Path | None:
    """Return the directory with the annotation lists, some of them at least; None where there is none.

    That is `labels` if it is given, else one in the data set's directory, else one of the guide's places.
    """
    apart = next(filter(_count_lists, GUIDES_PLACES), None)
    if labels is None:
        return (_fullest(data) if data else None) or apart
    if not labels.is_dir():
        there = f". There are some in {apart}: name that" if apart else ""
        raise GuideError(
            f"{labels}: no such directory; expected the annotations of FDDB, {LISTS[0]} and so on{there}."
        )
    return _fullest(labels)


def _count_lists(folder: Path) -> int:
    return sum((folder / name).is_file() for name in LISTS)


def _fullest(folder: Path) -> Path | None:
    """Return the one of the directories that may hold the annotation lists that holds most of them; None if none has any."""
    best = max((folder / "FDDB-folds", folder / "ground_truth", folder), key=_count_lists)
    return best if _count_lists(best) else None


def read_folds(data: Path | None, labels: Path | None = None) -> list[Fold]:
    """Read the ten annotation lists, see `find_labels`. A picture that occurs twice is an error."""
    folder = find_labels(data, labels)
    if folder is None:
        where = labels or data or "the working directory"
        raise GuideError(f"{where}: no annotations of FDDB, such as {shorten(LISTS, 2)}; {TREE}")
    missing = [name for name in LISTS if not (folder / name).is_file()]
    if missing:
        raise GuideError(f"{folder}: not the annotations of FDDB: {shorten(missing)} missing; {TREE}")
    if labels is None and folder in GUIDES_PLACES:
        print(f"{folder}: the annotations that are taken")
    folds = [_read_list(folder / name) for name in progress(LISTS, FOLDS, "annotations", "file")]
    stems = Counter(picture.stem for fold in folds for picture in fold)
    if not stems:
        raise GuideError(f"{folder}: the ten annotation lists name no picture; {TREE}")
    twice = [stem for stem, count in stems.items() if count > 1]
    if twice:
        raise GuideError(f"{folder}: these pictures are listed twice: {shorten(twice)}.")
    return folds


def first(folds: Sequence[Fold], limit: int) -> list[Fold]:
    """Return the folds with the first `limit` pictures in all."""
    kept = []
    for fold in folds:
        kept.append(fold[:limit])
        limit -= len(kept[-1])
    return kept


def _read_list(path: Path) -> Fold:
    pictures = []
    for name, rows in _read_blocks(path):
        if name.startswith("/") or ".." in name.split("/"):
            raise GuideError(f"{path}: the picture name {name!r} leaves the data set's directory.")
        faces = _numbers(path, name, rows, 6)[:, :5]
        if (faces[:, :2] < 0).any() or (np.abs(faces) > FAR).any():
            raise GuideError(
                f"{path}: {name!r}: no ellipse has these radii, angle and centre: {shorten(rows)}."
            )
        picture = Picture(name, faces)
        with about(f"{path}: {name!r}"):
            _ = (
                picture.boxes
            )  # drawn now, so that a face outside of the picture is told before anything is run
        pictures.append(picture)
    return pictures


def _read_blocks(path: Path) -> list[tuple[str, list[str]]]:
    """Split a list into (name, lines) blocks by the count line after each name; blank lines may only end it."""
    try:
        lines = read_text(path).split("\n")
    except FileNotFoundError:
        raise GuideError(f"{path}: no such file.") from None
    while lines and not lines[-1].strip():
        lines.pop()
    blocks = []
    position = 0
    while position < len(lines):
        name = lines[position].strip()
        try:
            count = float(lines[position + 1])
            if count < 0 or count != int(count) or not name:
                raise ValueError
        except (ValueError, IndexError, OverflowError):
            found = lines[position : position + 2]
            raise GuideError(
                f"{path}:{position + 1}: expected a picture's name and, on the next line, a count; found {found}."
            ) from None
        rows = lines[position + 2 : position + 2 + int(count)]
        if len(rows) < count:
            raise GuideError(
                f"{path}:{position + 1}: {name!r} announces {count:g} lines, the file ends after {len(rows)}."
            )
        blocks.append((name, rows))
        position += 2 + len(rows)
    return blocks


def _numbers(path: Path, name: str, rows: Sequence[str], columns: int) -> Array:
    try:
        numbers = np.array([row.split() for row in rows], dtype=np.float64).reshape(len(rows), columns)
    except ValueError:
        raise GuideError(
            f"{path}: {name!r}: expected {columns} numbers per line, found {shorten(rows)}."
        ) from None
    if not np.isfinite(numbers).all():
        raise GuideError(f"{path}: {name!r}: holds a number that is not finite.")
    return numbers


def find_pictures(data: Path, pictures: Iterable[Picture]) -> dict[str, Path]:
    """Return the picture files by stem, all from the first directory of the tree that has any.

    One that is too small for a face in it is an error; FDDB does not say what sizes its pictures have.
    """
    annotated = {picture.stem: picture for picture in pictures}
    names = {stem: f"{picture.name}.jpg" for stem, picture in annotated.items()}
    for folder in (data / "originalPics", data / "images", data):
        paths = {stem: folder / name for stem, name in names.items()}
        missing = [str(path) for path in paths.values() if not path.is_file()]
        if not missing:
            for stem, path in progress(paths.items(), len(paths), "sizes"):
                _check_size(path, annotated[stem])
            return paths
        if len(missing) < len(paths):
            raise GuideError(f"{len(missing)} of {len(paths)} pictures are missing: {shorten(missing)}.")
    raise GuideError(
        f"{data}: holds none of the {len(names)} pictures that are annotated, such as {next(iter(names.values()))}; {TREE}"
    )


def picture_at_hand(data: Path | None, picture: Picture) -> Path | None:
    """Return the file of a picture, None where it is not at hand: faces are scored without it."""
    folders = (data / "originalPics", data / "images", data) if data else ()
    paths = (folder / f"{picture.name}.jpg" for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _check_size(path: Path, picture: Picture) -> None:
    """Refuse another picture than the annotated one, as far as that can be told: a face lies wholly outside of it."""
    if not len(picture.faces):
        return
    try:
        width, height = picture_size(path, upright=True)
    except GuideError:  # no picture: told by who reads it
        return
    left, top = picture.boxes[:, :2].max(axis=0).tolist()
    if left >= width or top >= height:
        raise GuideError(
            f"{path}: has {width}x{height} pixels, and in the annotations faces begin as far as {left}, {top}. "
            "Is it another picture?"
        )


def write_detections(path: Path, detections: Mapping[str, Array]) -> None:
    """Write boxes by stem, Nx5 float32 (xmin, ymin, xmax, ymax, score) in pixels, as FDDB_dets.txt.

    Widths and heights count both border pixels (xmax - xmin + 1). Everything has three decimals, the count one.
    """
    lines = []
    for stem, boxes in detections.items():
        lines.append(f"{stem}\n{float(len(boxes)):.1f}\n")
        sides = (boxes[:, 2:4] - boxes[:, :2]).astype(np.float64) + 1  # the original adds the 1 in float64
        rows = np.concatenate((boxes[:, :2], sides, boxes[:, 4:]), axis=1).tolist()
        lines += ["{:.3f} {:.3f} {:.3f} {:.3f} {:.3f}\n".format(*row) for row in rows]
    write_text(path, "".join(lines))


def read_detections(path: Path) -> dict[str, Array]:
    """Read an FDDB_dets.txt: boxes by stem, Nx5 float64 (x, y, width, height, score), in the file's order."""
    detections: dict[str, Array] = {}
    for name, rows in _read_blocks(path):
        stem = name.replace("/", "_")
        if stem in detections:
            raise GuideError(f"{path}: {name!r} occurs twice.")
        detections[stem] = _numbers(path, name, rows, 5)
    return detections
