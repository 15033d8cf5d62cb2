"""The COCO data set (https://cocodataset.org): `val2017/`, `annotations/instances_val2017.json`, results as JSON."""

from __future__ import annotations

import itertools
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from common.cli import shorten
from common.errors import GuideError, about
from common.files import read_bytes, read_text, write_text

Array = NDArray[Any]
SMALLEST = 32  # pixels; images with a shorter side are left out, as effdet's data loader leaves them out
LOWEST_SCORE = 0.001
DATA_HELP = "The COCO data set: pictures in val2017/, annotations/instances_val2017.json"
TREE = """expected:
  DIR/annotations/instances_val2017.json
  DIR/val2017/000000000139.jpg and so on"""


FAR = 1e6  # pixels; beyond any picture
MOST_CATEGORIES = 90  # those of the network

_Id = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
_Side = Annotated[int, msgspec.Meta(ge=1, le=int(FAR))]
_Position = Annotated[float, msgspec.Meta(ge=-FAR, le=FAR)]
_Length = Annotated[float, msgspec.Meta(ge=0, le=FAR)]
_Box = tuple[_Position, _Position, _Length, _Length]  # x, y, width, height


class _Image(msgspec.Struct):
    id: _Id
    file_name: str
    width: _Side
    height: _Side


class _Object(msgspec.Struct, gc=False):  # millions of rows, of which none holds another
    id: _Id
    image_id: _Id
    category_id: _Id
    bbox: _Box
    area: Annotated[float, msgspec.Meta(ge=0, le=FAR**2)]
    iscrowd: Literal[0, 1] | bool


class _Category(msgspec.Struct):
    id: _Id


class _Annotations(msgspec.Struct):
    """What is needed of the annotations; the file holds more."""

    images: list[_Image]
    annotations: list[_Object]
    categories: Annotated[list[_Category], msgspec.Meta(max_length=MOST_CATEGORIES)]


class _Detection(msgspec.Struct, gc=False):
    image_id: _Id
    category_id: _Id
    bbox: _Box
    score: float


@dataclass(frozen=True)
class Picture:
    """An annotated picture: its id, its file, its width and height in pixels."""

    identity: int
    path: Path
    width: int
    height: int


@dataclass(frozen=True)
class Objects:
    """Annotated objects in the order of the file.

    `picture` and `category` (N int64) are ids; `boxes`, Nx4 float64, are x, y, width, height in pixels; `area`, N float64,
    is that of the outline, in square pixels; a `crowd` (N bool) stands for many objects.
    """

    picture: Array
    category: Array
    boxes: Array
    area: Array
    crowd: Array

    def only(self, rows: Array | slice) -> Objects:
        """Return some of them."""
        return Objects(
            self.picture[rows], self.category[rows], self.boxes[rows], self.area[rows], self.crowd[rows]
        )


@dataclass(frozen=True)
class Detections:
    """Boxes found, in the order of the file; `score` is N float64, the other columns are as those of `Objects`."""

    picture: Array
    category: Array
    boxes: Array
    score: Array

    def only(self, rows: Array | slice) -> Detections:
        """Return some of them."""
        return Detections(self.picture[rows], self.category[rows], self.boxes[rows], self.score[rows])


@dataclass(frozen=True)
class Coco:
    """The pictures to detect in, by the name of their .bin files in the order of their ids; all the objects.

    `listed` are the ids of all pictures of the annotation file, those that are too small included, and `total` is how
    many of them are measured; `categories` are the ids of the categories.
    """

    pictures: dict[str, Picture]
    objects: Objects
    categories: tuple[int, ...]
    listed: Array
    total: int

    def first(self, count: int) -> Coco:
        """Return the first pictures."""
        pictures = dict(list(self.pictures.items())[:count])
        return replace(self, pictures=pictures, total=len(pictures))


def read_coco(data: Path, *, need_pictures: bool = True) -> Coco:
    """Read the annotations and find the pictures; one that is missing is an error, if pictures are needed."""
    path = data / "annotations" / "instances_val2017.json"
    try:
        checked = msgspec.json.decode(read_text(path), type=_Annotations)
    except (FileNotFoundError, NotADirectoryError):
        raise GuideError(f"{data}: not the COCO data set: no {path}; {TREE}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise GuideError(f"{path}: not COCO annotations of objects ({error}); download it again.") from None
    with about(path):
        _check(checked)
    rows = sorted(checked.images, key=lambda row: row.id)
    found = [Picture(row.id, data / "val2017" / row.file_name, row.width, row.height) for row in rows]
    large = [picture for picture in found if min(picture.width, picture.height) >= SMALLEST]
    if need_pictures:
        missing = [str(picture.path) for picture in large if not picture.path.is_file()]
        if missing:
            raise GuideError(
                f"{len(missing)} of the {len(large)} pictures in {path} are missing: {shorten(missing)}; {TREE}"
            )
    return Coco(
        pictures=_by_stem(large),
        objects=_objects(checked.annotations),
        categories=tuple(row.id for row in checked.categories),
        listed=np.array([picture.identity for picture in found]),
        total=len(found),
    )


def _check(found: _Annotations) -> None:
    """Refuse annotations with ids that occur twice or stand for nothing."""
    if not found.images:
        raise GuideError("lists no image.")
    for what, ids in (
        ("image", [row.id for row in found.images]),
        ("annotation", [row.id for row in found.annotations]),
        ("category", [row.id for row in found.categories]),
    ):
        if twice := [str(i) for i, count in Counter(ids).items() if count > 1]:
            raise GuideError(f"these {what} ids occur twice: {shorten(twice)}; download it again.")
    outside = [row.file_name for row in found.images if not _is_inside(row.file_name)]
    if outside:
        raise GuideError(f"expected names of pictures in val2017/, found {shorten(map(repr, outside))}.")
    categories, images = {row.id for row in found.categories}, {row.id for row in found.images}
    if unknown := sorted({row.category_id for row in found.annotations} - categories):
        raise GuideError(f"objects are of categories that it does not list: {shorten(map(str, unknown))}.")
    if others := sum(row.image_id not in images for row in found.annotations):
        print(
            f"note: {others} of the annotated objects are in pictures that are not listed; they do not count"
        )


def _objects(rows: list[_Object]) -> Objects:
    return Objects(
        picture=np.array([row.image_id for row in rows], np.int64),
        category=np.array([row.category_id for row in rows], np.int64),
        boxes=_boxes(rows),
        area=np.array([row.area for row in rows], np.float64),
        crowd=np.array([row.iscrowd for row in rows], bool),
    )


def _boxes(rows: Sequence[_Object | _Detection]) -> Array:
    """Return the boxes of rows: Nx4 float64."""
    sides = itertools.chain.from_iterable([row.bbox for row in rows])
    return np.fromiter(sides, np.float64, 4 * len(rows)).reshape(-1, 4)


def _is_inside(name: str) -> bool:
    """Tell whether a name is that of a file in a directory, and can be one."""
    return name.isprintable() and not name.startswith("/") and not {"", ".", ".."} & {*name.split("/")}


def _by_stem(pictures: list[Picture]) -> dict[str, Picture]:
    """Return pictures by the guide's name for their files, up to the first dot; by all of it where that is shared."""
    shared = Counter(picture.path.name.partition(".")[0] for picture in pictures)
    found: dict[str, Picture] = {}
    for picture in pictures:
        stem = picture.path.name.partition(".")[0]
        if shared[stem] > 1:
            stem = picture.path.stem.replace(".", "_")
        if stem in found:
            raise GuideError(f"{picture.path}: its .bin file would have another picture's name, {stem}.bin.")
        found[stem] = picture
    return found


def write_detections(path: Path, pictures: Mapping[str, Picture], detections: Mapping[str, Array]) -> None:
    """Write detections by stem, Nx6 float32 (see `postprocessing.detect`), as COCO's results JSON.

    Boxes become x, y, width, height; scores below 0.001 are left out, as the original leaves them out.
    """
    rows = []
    for stem, found in detections.items():
        kept = found[found[:, 4] >= LOWEST_SCORE]
        boxes = np.concatenate((kept[:, :2], kept[:, 2:4] - kept[:, :2]), axis=1).tolist()
        rows += [
            {
                "image_id": pictures[stem].identity,
                "bbox": box,
                "score": score,
                "category_id": int(category),
            }
            for box, (score, category) in zip(boxes, kept[:, 4:].tolist(), strict=True)
        ]
    write_text(path, msgspec.json.encode(rows).decode())


def read_detections(path: Path) -> Detections:
    """Read a results JSON: a list of image_id, bbox (x, y, width, height), score, category_id."""
    try:
        # Not by way of a text, which would be as large again.
        found = msgspec.json.decode(read_bytes(path).removeprefix(BOM_UTF8), type=list[_Detection])
    except FileNotFoundError:
        raise GuideError(f"{path}: no such file.") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise GuideError(
            f"{path}: expected a list of image_id, bbox, score and category_id ({error})."
        ) from None
    return Detections(
        picture=np.array([row.image_id for row in found], np.int64),
        category=np.array([row.category_id for row in found], np.int64),
        boxes=_boxes(found),
        score=np.array([row.score for row in found], np.float64),
    )
