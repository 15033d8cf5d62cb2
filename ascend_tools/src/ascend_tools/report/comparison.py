"""How the figures of a run differ from those of another one on the same data, and whether that is more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ascend_tools.report import bootstrap
from ascend_tools.report.bootstrap import EXACT, Difference
from ascend_tools.report.flips import Flip, changed, flips
from ascend_tools.report.runs import Run, is_unlike, unlike
from common.report.beside import number


@dataclass(frozen=True)
class Comparison:
    """A run beside the first one: figures of both by name; with the interval where `problem` does not say why not.

    `unlike` says that the two are not of the same data: then nothing can be said at all.
    """

    first: Run
    run: Run
    figures: dict[str, tuple[float, float]]
    differences: list[Difference] = field(default_factory=list)
    flips: list[Flip] = field(default_factory=list)
    problem: str = ""
    unlike: bool = False

    @property
    def title(self) -> str:
        """The names of both."""
        return f"{self.run.name} against {self.first.name}"

    def drops(self, accept: float) -> list[str]:
        """Return the figures that dropped by more than that share of the first run's."""
        return [
            name
            for name, (first, second) in self.figures.items()
            if first - second > accept * max(first, 0.0) + EXACT
        ]

    @property
    def lost(self) -> list[str]:
        """The figures that the first run has and this one has not."""
        return [
            name
            for name in _judged(self.first)
            if name not in self.figures and _of(self.first, name) is not None
        ]

    def fails(self, accept: float | None) -> bool:
        """Tell whether a figure dropped by more than is accepted, or that cannot be told."""
        if accept is None:
            return False
        return self.unlike or not self.figures or bool(self.lost or self.drops(accept))

    @property
    def word(self) -> str:
        """What all figures together say."""
        if self.unlike:
            return "not comparable"
        words = {each.word for each in self.differences} - {"same"}
        if not words:
            return "no difference" if self.differences else "no interval"
        return " and ".join(sorted(words - {"undecided"})) or "undecided"

    def verdict(self, accept: float | None) -> str:
        """Return what became of each figure, and whether that is accepted where something is."""
        if self.unlike:
            return f"not comparable: {self.problem or 'they are on other data'}"
        words = ", ".join(f"{each.figure} {each.word}" for each in self.differences) or "no interval"
        if accept is None:
            return words
        return f"{words}; {'FAIL' if self.fails(accept) else 'OK'}: {self.accepted(accept)}"

    def accepted(self, accept: float, *, intervals: bool = True) -> str:
        """Return which figures dropped by more than is accepted, with `intervals`, or that none did."""
        words = f"{100 * accept:g} % of the first run's figure"
        if dropped := self.drops(accept):
            told = {
                each.figure: f" (95 % from {each.low:+.5f} to {each.high:+.5f})" for each in self.differences
            }
            which = ", ".join(f"{figure}{told.get(figure, '') if intervals else ''}" for figure in dropped)
            return f"a drop of more than {words}: {which}"
        if not self.figures:
            return "no figure in both"
        if self.lost:
            return f"without a figure that the first run has: {', '.join(self.lost)}"
        near = [each.figure for each in self.differences if each.low < -accept * max(each.first, 0.0) - EXACT]
        more = f"; the interval reaches beyond that, for {', '.join(near)}" if near else ""
        return f"no drop of more than {words}{more}"


def compared(runs: Sequence[Run]) -> list[Comparison]:
    """Return each run but the first beside that one."""
    first, found = runs[0], {}
    for place, run in enumerate(runs[1:], 1):
        figures = _figures(first, run)
        if first.units is None or run.units is None:
            problem = first.problem or run.problem
            found[place] = Comparison(first, run, figures, problem=problem, unlike=is_unlike(first, run))
        elif other := unlike(first.units, run.units):
            found[place] = Comparison(first, run, figures, problem=other, unlike=True)
    places = [place for place in range(1, len(runs)) if place not in found]
    units = [each for place in (0, *places) if (each := runs[place].units)]
    if places:
        drawn = bootstrap.resampled(units)
        for row, place in enumerate(places, 1):
            ours, theirs = units[0], units[row]
            steps = bootstrap.differences(ours, theirs, drawn[[0, row]], changed(ours, theirs))
            found[place] = Comparison(
                first, runs[place], _figures(first, runs[place]), steps, flips(ours, theirs)
            )
    return [found[place] for place in range(1, len(runs))]


def _figures(first: Run, run: Run) -> dict[str, tuple[float, float]]:
    """Return the figures that are judged, of both runs: those that can be computed again, or that are published."""
    pairs = {name: (_of(first, name), _of(run, name)) for name in _judged(first)}
    return {name: (a, b) for name, (a, b) in pairs.items() if a is not None and b is not None}


def _judged(first: Run) -> Sequence[str]:
    """Return the names of the figures that are judged."""
    published = first.report.get("published")
    if first.units:
        return first.units.figures
    return [*published] if isinstance(published, Mapping) else []


def _of(run: Run, name: str) -> float | None:
    return number(run.report["metrics"].get(name))
