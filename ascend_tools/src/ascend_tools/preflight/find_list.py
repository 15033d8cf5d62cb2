"""The smallest list of operators to keep in float32, found by trying lists in emulated half precision.

First each operator's harm is measured: how far the outputs are off where only it is in half precision. Then a search by
delta debugging, see `delta`, begins with those that do most harm, and ends with a list that holds and that does not hold
without any one of its entries. With a metric, that decides; the list that the outputs ask for is where it begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ascend_tools.preflight.delta import search
from ascend_tools.preflight.harm import by_harm
from ascend_tools.preflight.lists import Kind
from ascend_tools.preflight.trials import METRIC, OUTPUTS, Trial, Trials

_ENOUGH = 0.25  # of the bound: operators that do less harm together are not told apart
_POINTS = 12  # of the curve, where each costs a step


@dataclass(frozen=True)
class Listed:
    """What was found.

    Attributes:
        entries: the list, the one that does most harm first; None where no list that was tried holds.
        is_bare: whether ATC's default mode holds, so that no option is needed.
        by: what decided: OUTPUTS or METRIC.
        harm: the harm of each operator, the greatest first; empty where it was not needed.
        last: the trial of the list, or, where none holds, of the best one.
        proof: for each entry, the trial of the list without it.
        curve: trials of the list's first entries, from none to all.
    """

    entries: tuple[str, ...] | None
    is_bare: bool
    by: str
    harm: tuple[tuple[str, float], ...]
    last: Trial
    proof: tuple[tuple[str, Trial], ...] = ()
    curve: tuple[Trial, ...] = ()


def find(kind: Kind, trials: Trials) -> Listed:
    """Search for the smallest list of a kind, see above."""
    by = METRIC if METRIC in trials.bounds else OUTPUTS
    # A cheap look at the outputs first: where nothing is off, the metric only confirms.
    quick = trials.bare(OUTPUTS)
    bare = quick if by == OUTPUTS else trials.bare(by)
    if bare.holds:
        return Listed((), is_bare=True, by=by, harm=(), last=bare)
    # Where a metric does not hold although the outputs do, less harm has to be told apart.
    enough = _ENOUGH * min(trials.bounds[OUTPUTS], quick.figure)
    harm = tuple(by_harm((*kind.units, *kind.unlisted), trials.harm, enough))
    order = [name for name, _ in harm if name in set(kind.units)]
    order.sort(key=kind.products.__contains__)  # the others first, if they will do
    entries = _minimal(order, trials, OUTPUTS, 1)
    if by == METRIC:
        begin = list(entries or ())
        order = begin + [name for name in order if name not in set(begin)]
        entries = _minimal(order, trials, METRIC, len(begin) or 1)
    if entries is None:
        tried = [trial for trial in trials.done if trial.by == by]
        best = min(tried, key=lambda trial: (trial.figure, len(trial.entries)))
        return Listed(None, is_bare=False, by=by, harm=harm, last=best)
    proof = tuple(
        (entry, trials.with_list(by, [each for each in entries if each != entry])) for entry in entries
    )
    curve = tuple(trials.with_list(by, entries[:length]) for length in _lengths(len(entries)))
    return Listed(entries, False, by, harm, trials.with_list(by, entries), proof, curve)


def _minimal(order: Sequence[str], trials: Trials, by: str, first: int) -> tuple[str, ...] | None:
    return search(order, lambda entries: trials.with_list(by, entries).holds, first)


def _lengths(most: int) -> list[int]:
    """Return the lengths that the curve is drawn of: all, or as many as _POINTS."""
    return sorted(
        {round(most * place / max(1, min(most, _POINTS))) for place in range(_POINTS + 1) if place <= most}
    )
