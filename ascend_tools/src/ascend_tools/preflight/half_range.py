"""What half precision (IEEE binary16) can hold, and how far the numbers of a node are from it.

Besides what a node takes and makes, its sums count: a mean over 65 536 numbers of size 1 has harmless inputs and
outputs, but its sum leaves the range. Convolutions and matrix products are left out of this: the cube unit adds
their half products in float32 (ATC's `cube_fp16in_fp32out`); reductions run on the vector unit, in their own type.
In what order and type they add is the kernel's choice, and differs with the version: of those that Ascend published
(ops/built-in/tbe/impl, 2020 and later), `reduce_mean_d.py` multiplies by 1/N first and adds in half precision on
Ascend 310, and elsewhere for inputs in the five-dimensional layout, else in float32; `lp_norm.py` squared and added in
half precision first, and in float32 later. So a sum out of range can overflow, but need not; for means both orders are
measured, the sum and the addends that vanish if it divides first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

Array = NDArray[Any]
LARGEST = 65504.0  # (2 - 2^-10) * 2^15
SMALLEST_NORMAL = 2.0**-14  # below it, half numbers lose digits
SMALLEST = 2.0**-24  # below it, nothing is left but 0 or, above half of it, this number
_CHUNK = 1 << 18  # elements looked at at once: the copies stay in the cache, and small
_MEANS = ("ReduceMean", "GlobalAveragePool", "AveragePool")


@dataclass(frozen=True)
class Tally:
    """Counts of an array's elements. `largest` is the largest finite magnitude; zeros neither vanish nor are lost."""

    elements: int = 0
    zeros: int = 0
    not_finite: int = 0
    over: int = 0
    vanishing: int = 0
    lost: int = 0
    largest: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        """Return the tally of both arrays together."""
        return Tally(
            self.elements + other.elements,
            self.zeros + other.zeros,
            self.not_finite + other.not_finite,
            self.over + other.over,
            self.vanishing + other.vanishing,
            self.lost + other.lost,
            max(self.largest, other.largest),
        )

    def share(self, count: int) -> float:
        """Return which part of the elements that are finite and not zero `count` of them is."""
        return count / max(1, self.elements - self.zeros - self.not_finite)


def measured(array: Array) -> bool:
    """Tell whether an array's type is one that half precision would replace."""
    return array.dtype in (np.float32, np.float64)


def tally(array: Array, scale: float = 1.0) -> Tally:
    """Return the counts of `array * scale`, of float32 or float64 and any shape."""
    total, flat = Tally(), array.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        part = np.abs(flat[start : start + _CHUNK])
        if scale != 1.0:
            part = part.astype(np.float64) * scale
        total += _tally_finite(part) if np.isfinite(part.max()) else _tally_any(part)
    return total


def _tally_any(part: Array) -> Tally:
    finite = part[np.isfinite(part)]
    count = part.size - finite.size
    return (_tally_finite(finite) if finite.size else Tally()) + Tally(elements=count, not_finite=count)


def _tally_finite(part: Array) -> Tally:
    zeros = part.size - int(np.count_nonzero(part))
    largest = float(part.max())
    below = int(np.count_nonzero(part < SMALLEST_NORMAL))
    return Tally(
        elements=part.size,
        zeros=zeros,
        over=int(np.count_nonzero(part > LARGEST)) if largest > LARGEST else 0,
        vanishing=below - zeros,
        lost=int(np.count_nonzero(part < SMALLEST)) - zeros if below > zeros else 0,
        largest=largest,
    )


def accumulations(
    node: onnx.NodeProto, taken: Array, made: Array, again: Callable[[Array], Array]
) -> Iterator[tuple[str, Tally]]:
    """Yield what a reducing node adds up inside, as ("sum", ...), and what a mean adds up if it divides first.

    A sum is measured as that of the magnitudes, which no order of adding exceeds. `again` runs the node on another
    first input; on the magnitudes it gives their sum or mean.
    """
    if not (measured(taken) and taken.size and made.size):
        return
    if node.op_type in _MEANS:
        kernel = next((a.ints for a in node.attribute if a.name == "kernel_shape"), None)
        count = math.prod(kernel) if kernel else taken.size // made.size
        yield "sum", tally(again(np.abs(taken)), float(count))
        yield "addend", tally(taken, 1.0 / count)
    elif node.op_type == "ReduceSum":
        yield "sum", tally(again(np.abs(taken)))
    elif (
        node.op_type == "ReduceL2"
    ):  # its root is taken of a sum of squares; that of ReduceSumSquare is the output
        yield "sum", tally(np.square(made, dtype=np.float64))
