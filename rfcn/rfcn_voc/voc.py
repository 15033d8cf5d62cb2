"""The VOC2007 data set (http://host.robots.ox.ac.uk/pascal/VOC/voc2007/): its test pictures and their objects.

`ImageSets/Main/test.txt` names the pictures, `JPEGImages/<name>.jpg`; `Annotations/<name>.xml` holds the objects of one.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import progress, shorten
from common.engine.shard import Shard
from common.errors import GuideError, about
from common.files import read_bytes, read_text
from common.images.header import picture_size

Array = NDArray[Any]
CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable"),
    *("dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
LIST = "ImageSets/Main/test.txt"
FAR = 1e6  # pixels; beyond any picture
# Where VOCdevkit2007 is looked for: here, and as in the guide in the directory of the published code.
DATA = Path("data")
SOURCE = Path("RFCN-pytorch.1.0")
DATA_HELP = "The VOC2007 data set: the folder VOC2007 or one that holds it, or JPEGImages/ in it"
DATA_ARGUMENT = f"{DATA_HELP} (default: %(default)s)."
TREE = """expected:
  DIR/ImageSets/Main/test.txt               (or in DIR/VOC2007/, in DIR/VOCdevkit2007/VOC2007/)
  DIR/JPEGImages/000001.jpg and so on
  DIR/Annotations/000001.xml and so on      (to measure)"""
_NUMBERS = {name: number for number, name in enumerate(CLASSES)}
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Picture:
    """A picture of the test set: its name in test.txt, its file."""

    name: str
    path: Path


@dataclass(frozen=True)
class Voc:
    """The pictures to detect in, by the name of their .bin files in the order of test.txt.

    `folder` is VOC2007 itself.
    """

    folder: Path
    pictures: dict[str, Picture]

    def first(self, count: int) -> Voc:
        """Return the first pictures."""
        return Voc(self.folder, dict(list(self.pictures.items())[:count]))

    def shard(self, shard: Shard | None) -> Voc:
        """Return the pictures of one shard, or all without one."""
        pictures = {stem: p for stem, p in self.pictures.items() if shard is None or stem in shard}
        return Voc(self.folder, pictures)


@dataclass(frozen=True)
class Objects:
    """The annotated objects of all the pictures, picture by picture in the order of the XML.

    `picture` (N int64) counts the pictures from 0, `category` (N int64) the classes; `boxes`, Nx4 float64, are xmin,
    ymin, xmax, ymax in pixels as annotated: from 1, both border pixels belonging to the box. Those that are `difficult`
    (N bool) count neither way.
    """

    picture: Array
    category: Array
    boxes: Array
    difficult: Array


def drawn_corners(boxes: Array) -> Array:
    """Return where boxes, Nx4, are drawn: their first pixel is called 1, and their last one belongs to them."""
    return boxes - (1, 1, 0, 0)


def name_of(category: int) -> str:
    """Return the class of a category, 1 to 20."""
    return CLASSES[category - 1]


def read_voc(data: Path, *, need_pictures: bool = True) -> Voc:
    """Read the list of pictures and find them; one that is missing is an error, if pictures are needed."""
    folder = _find_folder(data)
    path = folder / LIST
    names = [line.strip() for line in read_text(path).split("\n") if line.strip()]
    # A dot in front would leave nothing of the name up to the first dot, by which the .bin files are called.
    wrong = [n for n in names if {"/", "\\", " "} & {*n} or n.startswith(".") or not n.isprintable()]
    if wrong:
        raise GuideError(
            f"{path}: expected one name of a picture a line, such as 000001, found {shorten(map(repr, wrong))}."
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice or not names:
        what = f"these pictures are listed twice: {shorten(twice)}" if twice else "lists no picture"
        raise GuideError(f"{path}: {what}.")
    found = [Picture(name, folder / "JPEGImages" / f"{name}.jpg") for name in names]
    if need_pictures:
        missing = [str(picture.path) for picture in found if not picture.path.is_file()]
        if missing:
            raise GuideError(
                f"{len(missing)} of the {len(found)} pictures in {path} are missing: {shorten(missing)}; {TREE}"
            )
    return Voc(folder, _by_stem(found))


def _find_folder(data: Path) -> Path:
    """Return the folder VOC2007 that is meant by a directory."""
    inside = ("VOC2007", "VOCdevkit2007/VOC2007", "VOCdevkit/VOC2007")
    places = [data, SOURCE / data] if data == DATA else [data]
    candidates = [place / name for place in places for name in ("", *inside)]
    if data.absolute().name == "JPEGImages":  # what the guide's preprocessing is given
        candidates.append(data.absolute().parent)
    for folder in candidates:
        if (folder / LIST).is_file():
            return folder
    raise GuideError(f"{data}: not the VOC2007 data set: no {data / LIST}; {TREE}")


def _by_stem(pictures: list[Picture]) -> dict[str, Picture]:
    """Return pictures by the guide's name for their files, up to the first dot; by all of it where that is shared."""
    shared = Counter(picture.name.partition(".")[0] for picture in pictures)
    found: dict[str, Picture] = {}
    for picture in pictures:
        stem = picture.name.partition(".")[0]
        if shared[stem] > 1:
            stem = picture.name.replace(".", "_")
        if stem in found:
            raise GuideError(f"{picture.path}: its .bin file would have another picture's name, {stem}.bin.")
        found[stem] = picture
    return found


def read_objects(data: Voc) -> Objects:
    """Read the annotations of the pictures; one with another size than its picture has is an error.

    Objects of classes that VOC does not have are left out, as in the original, and told in a printed note.
    """
    pictures: list[int] = []
    rows: list[tuple[float, ...]] = []
    missing: list[str] = []
    others: Counter[str] = Counter()
    folder = data.folder / "Annotations"
    listed = progress(data.pictures.values(), len(data.pictures), "annotations", "file")
    for i, picture in enumerate(listed):
        path = folder / f"{picture.name}.xml"
        try:
            content = read_bytes(path)
        except FileNotFoundError:
            missing.append(str(path))
            continue
        with about(path):
            root = _parse(content)
            _check_size(root, picture.path)
            found = list(_read_objects(root, others))
        rows += found
        pictures += [i] * len(found)
    if missing:
        raise GuideError(
            f"{len(missing)} of the {len(data.pictures)} annotations are missing: {shorten(missing)}; {TREE}"
        )
    if others:
        names = shorten((f"{name} ({count})" for name, count in sorted(others.items())), most=10)
        print(f"note: objects of classes that VOC does not have are left out, as in the original: {names}")
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Objects(
        picture=np.array(pictures, np.int64),
        category=table[:, 0].astype(np.int64),
        boxes=table[:, 2:].copy(),
        difficult=table[:, 1] != 0,
    )


def _parse(content: bytes) -> ET.Element:
    """Parse an annotation. A document type, which VOC's have not, could define entities that grow out of proportion."""
    if b"<!DOCTYPE" in content.replace(b"\0", b""):  # with the zeros of UTF-16
        raise GuideError("expected VOC's XML, found a document type definition; copy or download it again.")
    try:
        root = ET.fromstring(content)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:  # the latter two: an encoding that expat lacks
        raise GuideError(f"damaged XML ({error}, {len(content)} bytes); copy or download it again.") from None
    if root.tag != "annotation":
        raise GuideError(f"expected VOC's <annotation>, found <{root.tag}>; copy or download it again.")
    return root


def _check_size(root: ET.Element, picture: Path) -> None:
    """Refuse another picture than the annotated one, told by its size, where both sizes are there."""
    texts = [root.findtext(f"size/{side}", "").strip() for side in ("width", "height")]
    if not all(text.isdecimal() and int(text[:10]) > 0 for text in texts) or not picture.is_file():
        return
    annotated, found = tuple(int(text[:10]) for text in texts), picture_size(picture)
    if found != annotated:
        raise GuideError(
            f"{picture} has {found[0]}x{found[1]} pixels, {annotated[0]}x{annotated[1]} in the annotation. "
            "Is it another picture?"
        )


def _read_objects(root: ET.Element, others: Counter[str]) -> Iterator[tuple[float, ...]]:
    """Yield class number, 1 if difficult, and box of the objects; count those of `others`, by name, instead."""
    for number, element in enumerate(root.iterfind("object"), 1):
        with about(f"object {number}"):
            name = (element.findtext("name") or "").strip()
            if not name:
                raise GuideError("has no <name>.")
            if name not in _NUMBERS:
                others[name] += 1
                continue
            difficult = element.findtext("difficult", "0").strip()
            if difficult not in ("0", "1"):
                raise GuideError(f"{name}: expected 0 or 1 in <difficult>, found {difficult!r}.")
            box = element.find("bndbox")
            if box is None:
                raise GuideError(f"{name}: has no <bndbox>.")
            yield (_NUMBERS[name], float(difficult), *_read_box(box, name))


def _read_box(box: ET.Element, name: str) -> tuple[float, ...]:
    texts = [box.findtext(side, "") for side in _SIDES]
    try:
        left, top, right, bottom = map(float, texts)
        if -FAR <= left <= right <= FAR and -FAR <= top <= bottom <= FAR:  # false for NaN
            return left, top, right, bottom
    except ValueError:
        pass
    found = ", ".join(f"{side} {text!r}" for side, text in zip(_SIDES, texts, strict=True))
    raise GuideError(
        f"{name}: expected xmin <= xmax and ymin <= ymax in <bndbox>, pixels up to {FAR:.0f}, found {found}."
    )
