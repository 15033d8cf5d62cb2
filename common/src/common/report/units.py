"""`OUT/details/units.npz`: what a figure is computed of, picture by picture, so that it can be computed again of some of them.

Two runs are compared by drawing pictures, pairs or queries again and again (a bootstrap), which takes the figure of each
draw. The arrays say what the metric decided, and nothing is decided again: which detections are right, how far apart the
faces of a pair are, how precise a query was. They are plain: no Python objects, nothing compressed.
"""

from __future__ import annotations

import contextlib
import io
import math
import struct
import tokenize
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.files import read_bytes, staged

Array = NDArray[Any]
FILE = Path("details") / "units.npz"
# What each kind holds: by the array's name the kind of its numbers and its axes; axes of one name have one length.
LAYOUTS: Mapping[str, Mapping[str, tuple[str, tuple[str, ...]]]] = {
    # Boxes of several classes, by class, equal scores in the order in which they count: average precision at recalls, as of
    # COCO and VOC.
    "boxes": {
        "truth_unit": ("i", ("truths",)),  # the objects to find: their picture
        "truth_class": ("i", ("truths",)),
        "unit": ("i", ("boxes",)),  # the boxes found: their picture
        "class": ("i", ("boxes",)),
        "score": ("f", ("boxes",)),
        "right": ("b", ("limits", "boxes")),  # by the limit of the overlap
        "ignored": ("b", ("limits", "boxes")),  # counts neither way
        "classes": ("U", ("classes",)),
        "recalls": ("f", ("recalls",)),
        "empty_counts": ("b", ()),  # whether a class without objects counts as 0, or is left out
    },
    # Boxes of one class in pictures with something to find, fold by fold: average precision at thresholds, FDDB's.
    "folds": {
        "truths": ("i", ("units",)),  # of each picture
        "fold": ("i", ("units",)),
        "lowest": ("f", ("units",)),  # score of a box in the picture, infinite without any
        "highest": ("f", ("units",)),
        "unit": ("i", ("boxes",)),
        "score": ("f", ("boxes",)),  # the highest of its own and its successors'
        "right": ("b", ("boxes",)),
        "thresholds": ("f", ("thresholds",)),
    },
    # Pairs of pictures: accuracy of each fold at the threshold that is best on the others.
    "pairs": {
        "distance": ("f", ("units",)),
        "same": ("b", ("units",)),
        "fold": ("i", ("units",)),
        "thresholds": ("f", ("thresholds",)),
    },
    # Queries: the share with a match among the nearest `tops`, and the mean of their precisions.
    "queries": {
        "precision": ("f", ("units",)),
        "rank": ("i", ("units",)),  # of the first match, from 0
        "tops": ("i", ("tops",)),
    },
}
NOUNS = {"boxes": "picture", "folds": "picture", "pairs": "pair", "queries": "query"}
_INDICES = {"unit": "units", "truth_unit": "units", "class": "classes", "truth_class": "classes"}
_FOLDS = 1000  # at most; the published data sets have ten
_HEADER = 10_000  # characters at most that numpy's header of an array may have
# What reading a damaged file raises: zipfile's, numpy's and, from the header of an array, Python's own errors.
_DAMAGED = (
    *(ValueError, TypeError, KeyError, EOFError, OverflowError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, struct.error, tokenize.TokenError, SyntaxError),
)


@dataclass(frozen=True)
class Units:
    """What a figure is computed of.

    Attributes:
        kind: one of `LAYOUTS`.
        figures: the names of the metrics that are computed of it, in their order.
        keys: N names of the pictures, pairs or queries.
        arrays: by name, as `LAYOUTS` has them; a box's or an object's unit and class are places in `keys` and `classes`.
    """

    kind: str
    figures: Sequence[str]
    keys: Sequence[str]
    arrays: Mapping[str, Array]

    @property
    def noun(self) -> str:
        """What a unit is."""
        return NOUNS[self.kind]


def write(out: Path, units: Units | None) -> None:
    """Write the units to `out`, or remove what is there where there are none."""
    if units is None:
        remove(out)
        return
    texts = {"kind": np.array(units.kind), "figures": _texts(units.figures), "keys": _texts(units.keys)}
    with staged(out / FILE) as temporary, zipfile.ZipFile(temporary, "w") as file:
        for name, array in {**texts, **units.arrays}.items():
            # Not by numpy's own savez, which takes objects, too.
            with file.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), (1, 0), allow_pickle=False)


def _texts(values: Sequence[str]) -> Array:
    return np.array(values, str)


def remove(out: Path) -> None:
    """Remove the units of an earlier run."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        (out / FILE).unlink()


def read(out: Path) -> Units:
    """Read the units of a run; a file that is damaged, or whose arrays do not belong together, is an error.

    The memory follows the file's size: an array is taken from the bytes that are there, whatever its header says.
    """
    path = out / FILE
    try:
        arrays = _arrays(read_bytes(path))
        found = Units(
            str(_text(arrays, "kind", ())),
            _text(arrays, "figures", ("figures",)).tolist(),
            _text(arrays, "keys", ("units",)).tolist(),
            {name: array for name, array in arrays.items() if name not in ("kind", "figures", "keys")},
        )
        _check(found)
    except (FileNotFoundError, NotADirectoryError):
        raise GuideError(
            f"{path}: no such file; evaluate.py and postprocess.py write it beside the figures that they measure against "
            "annotations."
        ) from None
    except _DAMAGED as error:
        raise GuideError(
            f"{path}: damaged, or not what a figure is computed of: {error}. Run evaluate.py or postprocess.py again, which "
            "writes it."
        ) from None
    return found


def _arrays(content: bytes) -> dict[str, Array]:
    """Return the arrays of an .npz file that is not compressed."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        members = file.infolist()
        if len({member.filename for member in members}) < len(members):
            raise ValueError("names an array twice")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("holds a compressed array")
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("holds less than it announces")
        return {member.filename.removesuffix(".npy"): _array(file.read(member)) for member in members}


def _array(content: bytes) -> Array:
    """Return the array of the bytes of an .npy file: of numbers, truth values or texts."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"expected version 1.0 of numpy's format, found {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER)
    rest = memoryview(content)[stream.tell() :]
    if dtype.kind not in "biufU" or not dtype.itemsize or fortran:
        raise ValueError(f"expected plain values in C order, found {dtype}{' in another order' * fortran}")
    if math.prod(shape) * dtype.itemsize != len(rest):
        raise ValueError(f"an array of {shape} {dtype} has {len(rest)} bytes")
    if dtype.kind == "b" and np.frombuffer(rest, np.uint8).max(initial=0) > 1:
        raise ValueError("a truth value is neither 0 nor 1")
    return np.frombuffer(rest, dtype).reshape(shape) if len(rest) else np.empty(shape, dtype)


def _text(arrays: Mapping[str, Array], name: str, axes: tuple[str, ...]) -> Array:
    array = arrays.get(name)
    if array is None or array.ndim != len(axes) or array.dtype.kind != "U":
        raise ValueError(f"has no texts {name!r}")
    return array


def _check(units: Units) -> None:
    """Refuse arrays that are not those of the kind, or whose lengths or indices do not belong together."""
    layout = LAYOUTS.get(units.kind)
    if layout is None or layout.keys() != units.arrays.keys():
        raise ValueError(f"holds {units.kind!r} with {', '.join(sorted(units.arrays)) or 'nothing'}")
    lengths = {"units": len(units.keys)}
    for name, (kind, axes) in layout.items():
        array = units.arrays[name]
        if _kind_of(array) != kind or array.ndim != len(axes):
            raise ValueError(f"{name} is {array.dtype} of {array.shape}")
        for axis, length in zip(axes, array.shape, strict=True):
            if lengths.setdefault(axis, length) != length:
                raise ValueError(f"{name} has {length} {axis}, expected {lengths[axis]}")
    expected = lengths.get("tops", 0) + 1
    if not units.keys or len(units.figures) != expected:
        raise ValueError(f"has {len(units.keys)} units and {len(units.figures)} figures, expected {expected}")
    _check_values(units, lengths)


def _check_values(units: Units, lengths: Mapping[str, int]) -> None:
    """Refuse indices of what is not there, numbers that are none, and classes that are not in order."""
    for name, array in units.arrays.items():
        if _kind_of(array) == "i" and array.size:
            end = lengths[_INDICES[name]] if name in _INDICES else _FOLDS if name == "fold" else 2**31
            if array.min() < 0 or array.max() >= end:
                raise ValueError(
                    f"{name} has numbers from {array.min()} to {array.max()}, expected less than {end}"
                )
        if _kind_of(array) == "f" and np.isnan(array).any():
            raise ValueError(f"{name} holds a number that is none")
    if "class" in units.arrays and (np.diff(units.arrays["class"]) < 0).any():
        raise ValueError("the boxes are not in the order of their classes")


def _kind_of(array: Array) -> str:
    """Return the kind of an array's values, "i" for all whole numbers."""
    return "i" if array.dtype.kind in "iu" else array.dtype.kind
