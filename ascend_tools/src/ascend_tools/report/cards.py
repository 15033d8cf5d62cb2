"""What is drawn of a picture, pair or query that two runs answer differently: the pictures, and each run's boxes on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ascend_tools.report.comparison import Comparison
from ascend_tools.report.flips import Flip, at_best
from common.report.details import Box, Case, Shown
from common.report.units import Units

Array = NDArray[Any]
Kind = Literal["truth", "right", "false", "found", "ignored"]
SAME = 0.5  # overlap from which on two runs' boxes are one
_MOST = 60  # boxes that are drawn on a picture


@dataclass(frozen=True)
class Tile:
    """A picture: `shown` is its file and what the cut is around; `boxes` are drawn on it, each of a kind."""

    shown: Shown
    boxes: tuple[tuple[Box, Kind], ...] = ()


@dataclass(frozen=True)
class Card:
    """A unit that flipped: pictures of both, if there are such, and for each run what it made of it, with its own pictures."""

    flip: Flip
    tiles: tuple[Tile, ...]
    runs: tuple[tuple[str, str, tuple[Tile, ...]], ...]


def cards(compared: Comparison, cases: Sequence[Sequence[Case]], most: int) -> list[Card]:
    """Return the flips to draw: as many of the worst and as many of the best, at `most`.

    Where a run's units do not say where its pictures are, they are those of its cases.

    Args:
        compared: the comparison.
        cases: of the first run, and of the one that is compared.
        most: see above.
    """
    first, second = compared.first.units, compared.run.units
    if first is None or second is None:
        return []
    lost = [flip for flip in compared.flips if flip.gain < 0][:most]
    gained = [flip for flip in reversed(compared.flips) if flip.gain > 0][:most]
    places = {key: place for place, key in enumerate(first.keys)}
    known = {case.key: case.pictures for own in reversed(cases) for case in own}
    flipped = [*lost, *gained]
    draw = _Pictures(first, second, known, [places[flip.key] for flip in flipped])
    names = (compared.first.name, compared.run.name)
    found = []
    for flip in flipped:
        both, *own = draw(flip.key, places[flip.key])
        told = zip(names, (flip.before, flip.after), own, strict=True)
        found.append(Card(flip, both, tuple((name, words, tiles) for name, words, tiles in told)))
    return found


class _Pictures:
    """The pictures of units that flipped: of both runs, of the first, and of the second."""

    def __init__(
        self, first: Units, second: Units, known: Mapping[str, tuple[Shown, ...]], places: Sequence[int]
    ) -> None:
        self._runs, self._known = (first, second), known
        self._found = [_found(units, places) for units in self._runs]

    def __call__(self, key: str, place: int) -> tuple[tuple[Tile, ...], tuple[Tile, ...], tuple[Tile, ...]]:
        if all("nearest" in units.arrays for units in self._runs):
            own = [self._query(key, place), *(tuple(_nearest(units, place)) for units in self._runs)]
            return own[0], own[1], own[2]
        if all("corners" in units.arrays for units in self._runs):
            path = self._paths(key, place)[:1]
            return (), *self._boxes(place, path[0] if path else Shown(None))
        return tuple(map(Tile, self._paths(key, place))), (), ()

    def _query(self, key: str, place: int) -> tuple[Tile, ...]:
        return tuple(
            Tile(Shown(each.path, caption="query", data=each.data)) for each in self._paths(key, place)[:1]
        )

    def _paths(self, key: str, place: int) -> tuple[Shown, ...]:
        """Return the unit's own pictures, without boxes: from where one of the runs found them."""
        for units in self._runs:
            if (paths := units.arrays.get("paths")) is not None and all(np.atleast_1d(paths[place])):
                return tuple(Shown(str(path)) for path in np.atleast_1d(paths[place]))
        return tuple(
            Shown(each.path, caption=each.caption, data=each.data) for each in self._known.get(key, ())
        )

    def _boxes(self, place: int, picture: Shown) -> tuple[tuple[Tile, ...], tuple[Tile, ...]]:
        found = [each.get(place, []) for each in self._found]
        alone = [
            [not any(_is_same(box, other) for other in others) for box in boxes]
            for boxes, others in zip(found, reversed(found), strict=True)
        ]
        subjects = [
            box
            for boxes, flags in zip(found, alone, strict=True)
            for (box, _), flag in zip(boxes, flags, strict=True)
            if flag
        ]
        shown = Shown(picture.path, tuple(_subject(box) for box in subjects), data=picture.data)
        truth = tuple(_truth(self._runs[0], place))
        tiles = [
            Tile(
                shown,
                (
                    *truth,
                    *(
                        (_subject(box) if flag else box, kind)
                        for (box, kind), flag in zip(boxes, flags, strict=True)
                    ),
                )[:_MOST],
            )
            for boxes, flags in zip(found, alone, strict=True)
        ]
        return (tiles[0],), (tiles[1],)


def _found(units: Units, places: Sequence[int]) -> dict[int, list[tuple[Box, Kind]]]:
    """Return the boxes that count at the score where F1 is best, by the `places` of their pictures, the surest first."""
    arrays = units.arrays
    if "corners" not in arrays:
        return {}
    found: dict[int, list[tuple[Box, Kind]]] = {}
    right, false = at_best(units)
    rows = np.flatnonzero((right | false) & np.isin(arrays["unit"], places))
    for row in rows[np.argsort(-arrays["score"][rows], kind="stable")].tolist():
        label = str(arrays["classes"][arrays["class"][row]]) if "class" in arrays else ""
        box = Box("found", _corners(arrays["corners"][row]), float(arrays["score"][row]), label)
        found.setdefault(int(arrays["unit"][row]), []).append((box, "right" if right[row] else "false"))
    return found


def _truth(units: Units, place: int) -> Iterator[tuple[Box, Kind]]:
    for row in np.flatnonzero(units.arrays["truth_unit"] == place).tolist():
        yield Box("truth", _corners(units.arrays["truth_corners"][row])), "truth"


def _nearest(units: Units, place: int) -> Iterator[Tile]:
    arrays = units.arrays
    for rank, (number, match) in enumerate(
        zip(arrays["nearest"][place].tolist(), arrays["matches"][place].tolist(), strict=True), 1
    ):
        yield Tile(
            Shown(
                str(arrays["gallery"][number]) or None, caption=str(rank), mark="right" if match else "wrong"
            )
        )


def _corners(values: Array) -> tuple[float, float, float, float]:
    xmin, ymin, xmax, ymax = (float(value) for value in values)
    return xmin, ymin, xmax, ymax


def _subject(box: Box) -> Box:
    return Box(box.role, box.corners, box.score, box.label, subject=True)


def _is_same(one: tuple[Box, Kind], other: tuple[Box, Kind]) -> bool:
    """Tell whether two runs' boxes are one: of one class, both right or both false, and in one place."""
    (box, kind), (against, kind_of_other) = one, other
    if (kind, box.label) != (kind_of_other, against.label):
        return False
    low = np.maximum(box.corners[:2], against.corners[:2])
    high = np.minimum(box.corners[2:], against.corners[2:])
    shared = float(np.prod(np.maximum(high - low, 0)))
    areas = sum(
        (each.corners[2] - each.corners[0]) * (each.corners[3] - each.corners[1]) for each in (box, against)
    )
    return shared >= SAME * (areas - shared)
