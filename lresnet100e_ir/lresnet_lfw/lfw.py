"""The LFW data set (http://vis-www.cs.umass.edu/lfw/) as pairs of aligned faces.

InsightFace packs it as `lfw.bin`, a pickle of two lists: 12000 encoded pictures as bytes and, for pictures 2k and
2k+1, whether they show the same person. Its owners pack it as a directory per person and `pairs.txt`: a line with the
numbers of folds and of pairs, then per fold as many lines `person i j` and as many `person i person j`.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import shorten
from common.errors import GuideError
from common.files import read_bytes, read_text
from common.images.read import SUFFIXES, decode_image, read_image
from common.pickles import read_pickle

Array = NDArray[Any]
DATA_HELP = "The LFW data set: lfw.bin or the directory that holds it, or person directories of aligned 112x112 pictures with pairs.txt"
TREE = """expected:
  DIR/lfw.bin
or
  DIR/pairs.txt
  DIR/Abel_Pacheco/Abel_Pacheco_0001.jpg and so on, aligned to 112x112"""
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")  # in pairs.txt


@dataclass(frozen=True)
class Face:
    """One picture of a pair: the file it comes from and, if that is lfw.bin, its number and its bytes in there.

    `mirrored` says that the network is to be given its mirror image; `read` returns the picture as it is. `own` says
    that it is of no data set, see `read_image`.
    """

    path: Path
    number: int = 0
    data: bytes | None = None
    mirrored: bool = False
    own: bool = False

    def read(self) -> Array:
        """Return the picture, HxWx3 uint8 BGR."""
        if self.data is None:
            return read_image(self.path, own=self.own)
        return decode_image(self.data, str(self))

    @property
    def name(self) -> str:
        """What it is called in the data set."""
        return self.path.stem if self.data is None else f"picture {self.number}"

    def __str__(self) -> str:
        return str(self.path) if self.data is None else f"{self.path}: {self.name}"


@dataclass(frozen=True)
class Pairs:
    """Faces by name, "0", "1", ..., and for faces 2k and 2k+1 whether they are the same person's: N bool."""

    faces: dict[str, Face]
    same: NDArray[np.bool_]

    def first(self, count: int) -> Pairs:
        """Return the first pairs."""
        return Pairs(dict(list(self.faces.items())[: 2 * count]), self.same[:count])


def read_pairs(data: Path) -> Pairs:
    """Read the pairs of a data set: an lfw.bin, a directory that holds one, or one with `pairs.txt`."""
    if data.is_file():
        return _read_bin(data)
    if (data / "lfw.bin").is_file():
        return _read_bin(data / "lfw.bin")
    if (data / "pairs.txt").is_file():
        return _read_folders(data)
    raise GuideError(f"{data}: not the LFW data set; {TREE}")


def read_labels(data: Path) -> Pairs:
    """Read whether each pair is the same person's: from an lfw_list.npy, which has no faces, or from the data set itself."""
    if data.suffix != ".npy":
        return read_pairs(data)
    try:
        file = io.BytesIO(read_bytes(data))
    except FileNotFoundError:
        raise GuideError(f"{data}: no such file; make it with preprocess.py.") from None
    try:
        labels = _read_array(file)
    except Exception:  # noqa: BLE001  a damaged header can fail in any way
        raise GuideError(f"{data}: not a .npy file of plain values; make it with preprocess.py.") from None
    if labels.dtype != bool or labels.ndim != 1 or not len(labels):
        raise GuideError(
            f"{data}: expected a list of booleans, found {labels.dtype} of shape {labels.shape}."
        )
    return Pairs({}, np.asarray(labels))


def _read_array(file: io.BytesIO) -> Array:
    """Return the array of a .npy file; what its header says of it must be what follows."""
    version = np.lib.format.read_magic(file)
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
        version
    ]
    with warnings.catch_warnings():  # of Python 2
        warnings.simplefilter("ignore")
        shape, _, dtype = header(file)
    if dtype.hasobject:
        raise ValueError("objects")
    return np.frombuffer(file.read(), dtype).reshape(shape)


def _encode(text: str, encoding: str) -> bytes:
    """Return bytes as Python 3 writes them by protocols before 3: as a text to be encoded."""
    if encoding != "latin1":
        raise ValueError("a text in another encoding")  # which is not shown: it can be of any kind and size
    return text.encode(encoding)


_EMPTY = dict.fromkeys(("__builtin__.bytes", "builtins.bytes"), lambda: b"")


def _read_bin(path: Path) -> Pairs:
    """Read an lfw.bin; the published one was written by Python 2, whose texts are bytes."""
    try:
        content = read_pickle(read_bytes(path), {"_codecs.encode": _encode, **_EMPTY})
    except GuideError as error:
        raise GuideError(
            f"{path}: {error}. Expected a pickle of a list of bytes and a list of booleans. Download it again."
        ) from None
    if not isinstance(content, (tuple, list)) or [type(part) for part in content] != [list, list]:
        raise GuideError(f"{path}: expected a list of bytes and a list of booleans, found {_kind(content)}.")
    pictures, same = content
    for values, wanted in ((pictures, bytes), (same, bool)):
        others = [value for value in values if type(value) is not wanted]
        if others:
            raise GuideError(f"{path}: expected only {wanted.__name__} in a list, found {_kind(others[0])}.")
    if not same or len(pictures) != 2 * len(same):
        raise GuideError(
            f"{path}: expected two pictures for each pair, found {len(pictures)} for {len(same)}."
        )
    faces = {str(i): Face(path, i, data) for i, data in enumerate(pictures)}
    return Pairs(faces, np.array(same))


def _kind(content: Any) -> str:
    if isinstance(content, (tuple, list)):
        return f"{type(content).__name__} of {shorten(type(part).__name__ for part in content)}"
    return type(content).__name__


def _read_folders(data: Path) -> Pairs:
    """Read `pairs.txt` and find the pictures it names."""
    lists = data / "pairs.txt"
    header, *lines = read_text(lists).rstrip().split("\n")
    numbers = header.split()
    if len(numbers) not in (1, 2) or not all(map(_NUMBER.fullmatch, numbers)):
        raise GuideError(f"{lists}:1: expected the numbers of folds and of pairs, found {header!r}.")
    expected = 2 * math.prod(map(int, numbers))
    if len(lines) != expected:
        raise GuideError(f"{lists}: announces {expected} pairs, {len(lines)} follow.")
    paths: list[Path] = []
    same = []
    for number, line in enumerate(lines, 2):
        pair = _read_pair(line, f"{lists}:{number}")
        paths += [_find(data, person, index) for person, index in pair]
        same.append(pair[0][0] == pair[1][0])
    missing = sorted({str(path) for path in paths if not path.is_file()})
    if missing:
        raise GuideError(f"{len(missing)} of the pictures in {lists} are missing: {shorten(missing)}; {TREE}")
    return Pairs({str(i): Face(path) for i, path in enumerate(paths)}, np.array(same))


def _read_pair(line: str, where: str) -> list[tuple[str, int]]:
    """Return the two (person, index) of a line of `pairs.txt`."""
    words = line.split()
    if len(words) == 3:
        words = [words[0], words[1], words[0], words[2]]
    if len(words) != 4 or not all(map(_NUMBER.fullmatch, words[1::2])):
        raise GuideError(f"{where}: expected `person i j` or `person i person j`, found {line!r}.")
    for person in words[0::2]:
        if "/" in person or person in (".", ".."):
            raise GuideError(f"{where}: the person {person!r} leaves the data set's directory.")
    return [(words[0], int(words[1])), (words[2], int(words[3]))]


def _find(data: Path, person: str, index: int) -> Path:
    """Return the person's picture of that index, with the suffix that is there."""
    stem = data / person / f"{person}_{index:04d}"
    candidates = [stem.with_name(f"{stem.name}{suffix}") for suffix in SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[0])


def input_names(pairs: int) -> tuple[list[str], list[str]]:
    """Return the names of the network's inputs, of faces and of their mirror images, for a number of pairs."""
    names = [str(i) for i in range(2 * pairs)]
    return names, [f"{name}_flip" for name in names]


def both(faces: dict[str, Face]) -> Iterator[tuple[str, Face]]:
    """Yield each face under its name and, to be mirrored, under `<name>_flip`."""
    for name, face in faces.items():
        yield name, face
        yield f"{name}_flip", replace(face, mirrored=True)
