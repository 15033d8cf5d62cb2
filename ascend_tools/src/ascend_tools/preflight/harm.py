"""How much harm each operator does in half precision, measured by halving, so that harmless ones are measured together."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def by_harm(
    units: Sequence[str], harm: Callable[[Sequence[str]], float], enough: float
) -> list[tuple[str, float]]:
    """Return each unit with its harm, the greatest first; of equal ones in the order given.

    Args:
        units: what is measured.
        harm: how far the outputs are off with these units in half precision, and all others in float32.
        enough: a part that does no more harm than this is not halved again; each of its units gets the harm of the part.
    """
    found: dict[str, float] = {}
    parts = [tuple(units)] if units else []
    while parts:
        part = parts.pop(0)
        done = harm(part)
        if len(part) == 1 or done <= enough:
            found |= dict.fromkeys(part, done)
        else:
            parts += [part[: len(part) // 2], part[len(part) // 2 :]]
    order = {unit: place for place, unit in enumerate(units)}
    return sorted(found.items(), key=lambda each: (-each[1], order[each[0]]))
