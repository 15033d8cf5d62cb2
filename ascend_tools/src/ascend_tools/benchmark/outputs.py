"""What a backend computed, beside what ONNX Runtime computes on the CPU of the graph as it is written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ascend_tools.benchmark.measurements import Candidate, Outputs
from common.compare.differences import (
    accepted_differences,
    check_differences,
    has_stray_values,
    largest_differences,
    root_mean_squares,
    spread_of,
)
from common.errors import GuideError
from common.facts import Facts

Array = NDArray[Any]
Differences = Callable[[Sequence[Array], Sequence[Array]], Array]
REFERENCE = "ONNX Runtime on the CPU"
_CONSEQUENCE = "It is fast with wrong results."


def compare(
    facts: Facts,
    candidate: Candidate,
    batch_size: int,
    found: Sequence[Array],
    wanted: Sequence[Array],
    differences: Differences = largest_differences,
) -> Outputs:
    """Return whether outputs are those of the reference, each an array with the same items first.

    Accepted is what `common.compare.differences` accepts, of the candidate's precision. Where a network's outputs are
    compared in a way of its own, `differences`, nothing is said of a reduced precision, in which they are others.
    """

    def verdict(ok: bool | None, words: str, largest: Sequence[float] = ()) -> Outputs:
        named = {tensor.name: float(value) for tensor, value in zip(facts.outputs, largest, strict=False)}
        finite = {name: value for name, value in named.items() if np.isfinite(value)}
        return Outputs(
            candidate.backend, candidate.device, candidate.precision, batch_size, ok, words, finite
        )

    if why := _no_reference(facts, wanted):
        return verdict(None, why)
    if fault := _fault(facts, found, wanted):
        return verdict(False, fault)
    spread = spread_of(wanted)
    items = zip(zip(*found, strict=True), zip(*wanted, strict=True), strict=True)
    largest = np.max([differences(ours, theirs) for ours, theirs in items], axis=0).tolist()
    if candidate.precision != "float32" and differences is not largest_differences:
        return verdict(
            None, f"not judged in {candidate.precision}: measure the accuracy, python evaluate.py", largest
        )
    counting = largest
    if has_stray_values(candidate.precision):
        counting = root_mean_squares(found, wanted).tolist()
    try:
        check_differences(
            facts, counting, _CONSEQUENCE, spread=spread, other=REFERENCE, precision=candidate.precision
        )
    except GuideError as error:
        return verdict(False, str(error), largest)
    accepted = accepted_differences(facts, spread, precision=candidate.precision)
    share = max((one / most for one, most in zip(counting, accepted, strict=True) if most > 0), default=0.0)
    return verdict(True, f"at most {100 * share:.2g} % of the accepted difference from {REFERENCE}", largest)


def _no_reference(facts: Facts, wanted: Sequence[Array]) -> str:
    """Return why nothing can be compared with a reference's outputs."""
    for tensor, array in zip(facts.outputs, wanted, strict=False):
        if not np.isfinite(array).all():
            return f"output {tensor.name!r} of {REFERENCE} holds values that are not finite"
    return ""


def _fault(facts: Facts, found: Sequence[Array], wanted: Sequence[Array]) -> str:
    """Return what no precision excuses."""
    shapes, expected = ([array.shape for array in arrays] for arrays in (found, wanted))
    if shapes != expected:
        return f"expected outputs of the shapes {expected}, found {shapes}"
    for tensor, array, reference in zip(facts.outputs, found, wanted, strict=True):
        if not np.isfinite(array).all():
            return f"output {tensor.name!r} holds values that are not finite"
        if (array == array[:1]).all() and not (reference == reference[:1]).all():
            return f"output {tensor.name!r} is the same for all inputs"
    return ""


def read(path: Path) -> list[Array]:
    """Return the outputs that a measuring process wrote, in the network's order."""
    with np.load(path) as file:
        return [file[name] for name in file.files]
