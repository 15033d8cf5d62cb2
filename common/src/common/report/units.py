"""`OUT/details/units.npz`: what a figure is computed of, picture by picture, so that it can be computed again of some of them.

Two runs are compared by drawing pictures, pairs or queries again and again (a bootstrap), which takes the figure of each
draw. The arrays say what the metric decided, and nothing is decided again: which detections are right, how far apart the
faces of a pair are, how precise a query was. They are plain: no Python objects, nothing compressed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError
from common.files import read_bytes
from common.report import npz

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
# What each kind may hold beyond that, for its pictures to be shown: all of a row, or none. Paths are those of the machine
# that measured, empty where a picture is not at hand; corners are xmin, ymin, xmax, ymax in pixels of the upright picture.
SHOWN: Mapping[str, Sequence[Mapping[str, tuple[str, tuple[str, ...]]]]] = {
    "boxes": (
        {"paths": ("U", ("units",))},
        {"corners": ("f", ("boxes", "corners")), "truth_corners": ("f", ("truths", "corners"))},
    ),
    "folds": (
        {"paths": ("U", ("units",))},
        {
            "corners": ("f", ("boxes", "corners")),
            "truth_unit": ("i", ("faces",)),
            "truth_corners": ("f", ("faces", "corners")),
        },
    ),
    "pairs": ({"paths": ("U", ("units", "sides"))},),
    # The nearest of each query, in order, by their places among the gallery's paths, and which of them are matches.
    "queries": (
        {"paths": ("U", ("units",))},
        {
            "gallery": ("U", ("gallery",)),
            "nearest": ("i", ("units", "nearest")),
            "matches": ("b", ("units", "nearest")),
        },
    ),
}
NOUNS = {"boxes": "picture", "folds": "picture", "pairs": "pair", "queries": "query"}
_INDICES = {
    "unit": "units",
    "truth_unit": "units",
    "class": "classes",
    "truth_class": "classes",
    "nearest": "gallery",
}
_LENGTHS = {"corners": 4, "sides": 2}  # of axes that are always as long
_FOLDS = 1000  # at most; the published data sets have ten


@dataclass(frozen=True)
class Units:
    """What a figure is computed of.

    Attributes:
        kind: one of `LAYOUTS`.
        figures: the names of the metrics that are computed of it, in their order.
        keys: N names of the pictures, pairs or queries.
        arrays: by name, as `LAYOUTS` and, as far as its pictures can be shown, `SHOWN` have them; a box's or an object's unit
            and class are places in `keys` and `classes`.
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
    npz.write(out / FILE, {**texts, **units.arrays})


def _texts(values: Sequence[str]) -> Array:
    return np.array(values, str)


def remove(out: Path) -> None:
    """Remove the units of an earlier run."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        (out / FILE).unlink()


def read(out: Path) -> Units:
    """Read the units of a run; a file that is damaged, or whose arrays do not belong together, is an error.

    The memory follows the file's size, see `npz.arrays_of`.
    """
    path = out / FILE
    try:
        arrays = npz.arrays_of(read_bytes(path))
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
    except npz.DAMAGED as error:
        raise GuideError(
            f"{path}: damaged, or not what a figure is computed of: {error}. Run evaluate.py or postprocess.py again, which "
            "writes it."
        ) from None
    return found


def _text(arrays: Mapping[str, Array], name: str, axes: tuple[str, ...]) -> Array:
    array = arrays.get(name)
    if array is None or array.ndim != len(axes) or array.dtype.kind != "U":
        raise ValueError(f"has no texts {name!r}")
    return array


def _check(units: Units) -> None:
    """Refuse arrays that are not those of the kind, or whose lengths or indices do not belong together."""
    layout = {**LAYOUTS.get(units.kind, {})}
    for shown in SHOWN.get(units.kind, ()):
        if shown.keys() & units.arrays.keys():
            layout |= shown
    if not layout or layout.keys() != units.arrays.keys():
        raise ValueError(f"holds {units.kind!r} with {', '.join(sorted(units.arrays)) or 'nothing'}")
    lengths = {"units": len(units.keys), **_LENGTHS}
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
