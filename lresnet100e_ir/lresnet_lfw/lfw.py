"""The LFW data set (http://vis-www.cs.umass.edu/lfw/) as pairs of aligned faces.

InsightFace packs it as `lfw.bin`, a pickle of two lists: 12000 encoded pictures as bytes and, for pictures 2k and
2k+1, whether they show the same person. Its owners pack it as a directory per person and `pairs.txt`: a line with the
numbers of folds and of pairs, then per fold as many lines `person i j` and as many `person i person j`.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.cli import shorten
from common.errors import GuideError
from common.files import read_text
from common.images.read import SUFFIXES, decode_image, read_image

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

    `mirrored` says that the network is to be given its mirror image; `read` returns the picture as it is.
    """

    path: Path
    number: int = 0
    data: bytes | None = None
    mirrored: bool = False

    def read(self) -> Array:
        """Return the picture, HxWx3 uint8 BGR."""
        if self.data is None:
            return read_image(self.path)
        return decode_image(self.data, str(self))

    def __str__(self) -> str:
        return str(self.path) if self.data is None else f"{self.path}: picture {self.number}"


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


def read_labels(data: Path) -> NDArray[np.bool_]:
    """Read whether each pair is the same person's, N bool: from an lfw_list.npy, or from the data set itself."""
    if data.suffix != ".npy":
        return read_pairs(data).same
    try:
        with data.open("rb") as file:
            labels = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        raise GuideError(f"{data}: no such file; make it with preprocess.py.") from None
    except OSError:
        raise
    except Exception:  # noqa: BLE001  a damaged header can fail in any way
        raise GuideError(f"{data}: not a .npy file of plain values; make it with preprocess.py.") from None
    if labels.dtype != bool or labels.ndim != 1 or not len(labels):
        raise GuideError(
            f"{data}: expected a list of booleans, found {labels.dtype} of shape {labels.shape}."
        )
    return np.asarray(labels)


class _PlainUnpickler(pickle.Unpickler):
    """Reads numbers, texts, bytes, lists and tuples; whatever would have to be imported or called is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise GuideError(
            f"refused, nothing in it was executed: it asks for {module}.{name}. "
            "Expected a pickle of a list of bytes and a list of booleans."
        )

    def persistent_load(self, identity: Any) -> Any:
        raise GuideError(f"refused, nothing in it was executed: it asks for an outside object, {identity!r}.")


def _read_bin(path: Path) -> Pairs:
    """Read an lfw.bin; the published one was written by Python 2, whose texts are bytes."""
    try:
        content = _PlainUnpickler(io.BytesIO(path.read_bytes()), encoding="bytes").load()
    except GuideError as error:
        raise GuideError(f"{path}: {error}") from None
    except Exception as error:  # noqa: BLE001  a damaged pickle can fail in any way
        raise GuideError(f"{path}: not a pickle, or damaged ({error}). Download it again.") from None
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
