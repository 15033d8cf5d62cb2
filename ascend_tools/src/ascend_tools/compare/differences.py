"""How far a tensor is from what it is in float32, added up batch by batch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
LARGEST = 65504.0  # of half precision: what a chip that saturates makes of anything larger
_CHUNK = 1 << 16  # numbers looked at at once: the copies in float64 stay in the cache
_CONSTANT = 1e-7  # a spread of less than this part of the numbers themselves is float32's rounding


def _sum_of(values: Array) -> float:
    # Not by a product of vectors: its threads would wait busily for those of both sides.
    return float(values.sum())


def ratio(difference: float, scale: float) -> float:
    """Return a difference in units of a scale; infinite where that is 0 and there is one."""
    if difference == 0:
        return 0.0
    return difference / scale if scale else math.inf


@dataclass(frozen=True)
class Figures:
    """How far a tensor is off.

    Attributes:
        elements: how many numbers were compared.
        scale: the standard deviation of all its numbers in float32, its spread; where they are all the same, `size`.
        size: the root mean square of its numbers in float32.
        largest: the largest absolute difference; infinite where a number is no longer finite.
        mean: the mean absolute difference, of the numbers that are finite on both sides.
        rms: the root mean square of the differences; infinite as above, and where the shapes differ.
        cosine: of the angle between both, of the numbers that are finite on both sides; None where one of them is 0.
        infinite, nan: how many numbers became so that are finite in float32.
        saturated: how many numbers became 65504, or -65504, that are others in float32.
        shapes: both shapes where they are not the same; nothing else is known then.
    """

    elements: int
    scale: float
    size: float
    largest: float
    mean: float
    rms: float
    cosine: float | None
    infinite: int
    nan: int
    saturated: int
    shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    @property
    def apart(self) -> float:
        """The root mean square of the differences in units of the size."""
        return ratio(self.rms, self.size)

    def relative(self, difference: float) -> float:
        """Return a difference in units of the scale."""
        return ratio(difference, self.scale)


class Difference:
    """What is added up of one tensor."""

    def __init__(self) -> None:
        self._count, self._mean, self._variance = 0, 0.0, 0.0  # of the finite numbers in float32
        self._elements, self._pairs = 0, 0
        self._largest, self._sum, self._squares = 0.0, 0.0, 0.0  # of the differences
        self._dot, self._found, self._wanted = 0.0, 0.0, 0.0
        self._infinite, self._nan, self._saturated = 0, 0, 0
        self._shapes: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def add(self, found: Array, wanted: Array) -> None:
        """Add a batch: arrays of floats of one shape; what another shape has is not compared, but told."""
        if found.shape != wanted.shape:
            self._shapes = self._shapes or (found.shape, wanted.shape)
            return
        ours, theirs = found.reshape(-1), wanted.reshape(-1)
        with np.errstate(invalid="ignore", over="ignore"):
            for start in range(0, ours.size, _CHUNK):
                part = slice(start, start + _CHUNK)
                self._add(ours[part].astype(np.float64), theirs[part].astype(np.float64))

    def _add(self, found: Array, wanted: Array) -> None:
        self._elements += found.size
        good = np.isfinite(wanted)
        if not good.all():
            found, wanted = found[good], wanted[good]
        self._spread(wanted)
        apart = found - wanted
        finite = np.isfinite(apart)
        if not finite.all():
            self._infinite += int(np.isinf(found).sum())
            self._nan += int(np.isnan(found).sum())
            found, wanted, apart = found[finite], wanted[finite], apart[finite]
        if not apart.size:
            return
        size = np.abs(apart)
        self._pairs += apart.size
        self._largest = max(self._largest, float(size.max()))
        self._sum += _sum_of(size)
        self._squares += _sum_of(apart * apart)
        self._dot += _sum_of(found * wanted)
        self._found += _sum_of(found * found)
        self._wanted += _sum_of(wanted * wanted)
        self._saturated += int(np.count_nonzero((np.abs(found) == LARGEST) & (size > 0)))

    def _spread(self, values: Array) -> None:
        """Add numbers to the mean and the variance of all, by the rule of Chan, Golub and LeVeque (1979)."""
        count = values.size
        if not count:
            return
        mean = float(values.mean())
        rest = values - mean
        apart, total = mean - self._mean, self._count + count
        self._variance += _sum_of(rest * rest) + apart * apart * self._count * count / total
        self._mean += apart * count / total
        self._count = total

    def figures(self) -> Figures:
        """Return the figures of all that was added."""
        spread = math.sqrt(self._variance / self._count) if self._count else 0.0
        size = math.hypot(spread, self._mean)
        scale = spread if spread > _CONSTANT * size else size
        lost = self._infinite + self._nan
        rms = math.sqrt(self._squares / self._pairs) if self._pairs else 0.0
        length = math.sqrt(self._found) * math.sqrt(self._wanted)
        return Figures(
            elements=self._elements,
            scale=scale,
            size=size,
            largest=math.inf if lost else self._largest,
            mean=self._sum / self._pairs if self._pairs else 0.0,
            rms=math.inf if lost or self._shapes else rms,
            cosine=self._dot / length if length else None,
            infinite=self._infinite,
            nan=self._nan,
            saturated=self._saturated,
            shapes=self._shapes,
        )


class RootMeanSquare:
    """The root mean square of differences, added up batch by batch; infinite where a number is no longer finite.

    `size` is that of the numbers themselves, on the second side, of those that are finite.
    """

    def __init__(self) -> None:
        self._pairs, self._squares, self._sizes = 0, 0.0, 0.0

    def add(self, found: Array, wanted: Array) -> None:
        """Add a batch, as `Difference.add`."""
        if found.shape != wanted.shape:
            self._squares = math.inf
            return
        ours, theirs = found.reshape(-1), wanted.reshape(-1)
        with np.errstate(invalid="ignore", over="ignore"):
            for start in range(0, ours.size, _CHUNK):
                part = slice(start, start + _CHUNK)
                right = theirs[part].astype(np.float64)
                apart = ours[part] - right
                squares = _sum_of(apart * apart)
                if not math.isfinite(squares):
                    good = np.isfinite(right)
                    apart, right = apart[good], right[good]
                    squares = _sum_of(np.square(apart))
                self._squares += squares if math.isfinite(squares) else math.inf
                self._sizes += _sum_of(right * right)
                self._pairs += apart.size

    @property
    def size(self) -> float:
        """The root mean square of the second side's numbers."""
        return math.sqrt(self._sizes / self._pairs) if self._pairs else 0.0

    @property
    def value(self) -> float:
        """The figure of all that was added."""
        return math.sqrt(self._squares / self._pairs) if self._pairs else math.sqrt(self._squares)
