"""What a search for a list asks: how far the network is off with one list after another; each answer printed and kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from ascend_tools.preflight.emulated import Emulated, Graph
from ascend_tools.preflight.lists import Kind
from ascend_tools.preflight.steps import Step, Steps, key_of
from common.graph.float16_modes import Modes
from common.report.versions import packages

OUTPUTS, METRIC, HARM = "outputs", "metric", "harm"
_SHOWN = 4  # names in a printed line
_MEASURE = "root mean square by standard deviation"  # what is kept of outputs


@dataclass(frozen=True)
class Trial:
    """A list that was tried: by what, with which entries, in which precision mode, and what came of it.

    Of HARM, the entries are those that are in half precision. `was_known` says that it was not done again.
    """

    by: str
    mode: str
    entries: tuple[str, ...]
    step: Step
    holds: bool
    was_known: bool

    @property
    def figure(self) -> float:
        """How far the network is off."""
        return self.step.figure


class Trials:
    """All lists that are tried in a search.

    Args:
        kind: of the lists.
        emulated: the network.
        steps: where answers are kept.
        inputs: tells the inputs from any others.
        bounds: what is accepted, by what is asked: OUTPUTS, and METRIC where there is one.
        saturates: whether the chip only saturates where numbers leave the range.
        metric: measures the metric with a list, None for ATC's default mode without any; and what decides it.
    """

    def __init__(
        self,
        kind: Kind,
        emulated: Emulated,
        steps: Steps,
        inputs: str,
        bounds: dict[str, float],
        *,
        saturates: bool,
        metric: tuple[Callable[[Collection[str] | None], dict[str, float]], str] | None = None,
    ) -> None:
        self.done: list[Trial] = []
        self.bounds = bounds
        self._kind, self._emulated, self._steps, self._inputs = kind, emulated, steps, inputs
        self._saturates, self._metric = saturates, metric
        self._versions = packages()
        self._seen: dict[tuple[str, Modes], Trial] = {}

    def bare(self, by: str) -> Trial:
        """Try ATC's default mode, without any list."""
        return self._ask(by, Modes(saturates=self._saturates), (), None)

    def with_list(self, by: str, entries: Sequence[str]) -> Trial:
        """Try a list, which may be empty, in the mode that goes with it."""
        return self._ask(by, self._kind.modes(entries, self._saturates), tuple(entries), entries)

    def harm(self, entries: Sequence[str]) -> float:
        """Return how far the outputs are off with only these in half precision."""
        return self._ask(HARM, self._kind.alone(entries, self._saturates), tuple(entries), entries).figure

    def _ask(self, by: str, modes: Modes, entries: tuple[str, ...], kept: Collection[str] | None) -> Trial:
        if (by, modes) in self._seen:
            return self._seen[by, modes]
        graph = self._emulated.graph(modes)
        key, measure = self._question(by, graph, kept)
        step, is_new = self._steps.get(key, by, measure)
        bound = self.bounds.get(by, math.inf)
        trial = Trial(by, modes.mode, entries, step, step.figure <= bound, not is_new)
        self._seen[by, modes] = trial
        self.done.append(trial)
        print(f"step {len(self.done)}: {self._words(trial)}", flush=True)
        return trial

    def _question(
        self, by: str, graph: Graph, kept: Collection[str] | None
    ) -> tuple[str, Callable[[], dict[str, float]]]:
        """Return what decides an answer, as a key, and what computes it."""
        if by == METRIC and self._metric:
            metric, decisive = self._metric
            key = key_of(by=by, graph=graph.key, data=decisive, versions=self._versions)
            return key, lambda: metric(kept)
        key = key_of(by=_MEASURE, graph=graph.key, inputs=self._inputs, versions=self._versions)
        return key, lambda: self._emulated.apart(graph)

    def _words(self, trial: Trial) -> str:
        """Say what was tried, what came of it, and what it cost."""
        names = _names(trial.entries)
        if trial.by == HARM:
            what = f"only {names} in float16"
        else:
            what = f"{trial.mode}, {names or 'nothing'} in float32"
        figure = in_words(trial.by, trial.figure)
        holds = "" if trial.by == HARM else "; holds" if trial.holds else "; too much"
        cost = f"{trial.step.seconds:.1f} s" + (", known already" if trial.was_known else "")
        return f"{what}: {figure}{holds} ({cost})"


def _names(entries: Sequence[str]) -> str:
    """Return the names of a few entries, of more their number, the first and the last."""
    if len(entries) <= _SHOWN:
        return ", ".join(entries)
    return f"{len(entries)} operators ({entries[0]} ... {entries[-1]})"


def in_words(by: str, figure: float) -> str:
    """Say how far a network is off."""
    if by == METRIC:
        return (
            f"the metric drops by {figure:.4f} of itself" if math.isfinite(figure) else "there is no metric"
        )
    if not math.isfinite(figure):
        return "outputs with numbers that are not finite"
    return f"outputs off by {figure:.3g} of their spread"
