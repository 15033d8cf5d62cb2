"""What the published scripts take per image on the host, and what the fastest documented device needs of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from common.facts import Facts

MACHINE = (
    "The original's figures are CPU time on another machine, 2 virtual CPUs of an Intel Xeon with AVX-512, with one "
    "thread unless said otherwise, without imports; decoding depends on the pictures, which were others."
)
# The stages: in memory, through the files that the NPU's tools read and write, and the evaluation.
STAGES = ("decode", "prepare", "finish", "prepare to file", "finish from file", "evaluate")


@dataclass(frozen=True)
class Original:
    """Milliseconds of CPU time per image by stage, and what was measured in words, by the same names.

    Its scripts go the file route alone: what a stage takes in memory is not known of all. `evaluated` are the steps of
    `evaluations` that its evaluation has.
    """

    milliseconds: Mapping[str, float]
    evaluated: tuple[str, ...]
    words: Mapping[str, str]

    @property
    def total(self) -> float:
        """Milliseconds per image of all its stages: files in, files out, evaluation."""
        return sum(self.milliseconds[stage] for stage in STAGES[3:])


@dataclass(frozen=True)
class Fastest:
    """The highest throughput that a guide documents: images per second, the device, the batch size."""

    rate: float
    device: str
    batch_size: int


def fastest(facts: Facts) -> Fastest:
    """Return the highest throughput in model.toml's table of cards."""
    cards = facts.throughput.cards
    rows = [(rate, device, size) for device, rates in cards.items() for size, rate in rates.items()]
    return Fastest(*max(rows))


@dataclass(frozen=True)
class Whole:
    """A step over a whole data set, in words, and the CPU seconds of the original: a function, or a command."""

    words: str
    original: float
    run: Callable[[], object] | None = None
    command: Sequence[str] = ()


@dataclass(frozen=True)
class Plain:
    """A yardstick for an evaluation, in words: other code that does a `share` of it."""

    words: str
    run: Callable[[], object]
    share: float
