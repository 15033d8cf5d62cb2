"""What was measured as the rows of a table: one for each backend and batch size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from ascend_tools.benchmark.figures import Figure, figure, latency_ms, limiting_stage
from ascend_tools.benchmark.measurements import EndToEnd, LeftOut, Load, Measured, Outputs, Pure
from ascend_tools.benchmark.validity import Verdict, calls, judge
from common.facts import Facts
from common.report.throughput import CHIPS, NPUS, card_of, card_rate

KEPT = 1000  # printed calls that a printed p99 has to stand for


@dataclass(frozen=True)
class Row:
    """One backend at one batch size. Images per second are of all `devices` that were measured together.

    `chips` are those of the card that `card`, images per second of a whole card, is of; None where neither is known, or
    nothing was measured on a card. `stages` are busy seconds for 1000 images, summed over `threads`, and `limiting` is the
    stage that end to end waits for. `ratios` are by documented column. `loads` say what used the machine in each round.
    `at_once` calls shared the CPU's cores for the images per second; `latency_ms` are of calls one after another.
    """

    backend: str
    device: str
    precision: str
    model: str
    batch_size: int
    pure: Figure
    samples: int
    latency_ms: Mapping[str, float]
    end_to_end: Figure | None
    stages: Mapping[str, float]
    threads: Mapping[str, int]
    limiting: str | None
    devices: int
    chips: int | None
    card: float | None
    ratios: Mapping[str, float]
    outputs: Outputs | None
    verdict: Verdict
    rehearsal: bool = False
    at_once: int = 1
    loads: Mapping[str, Sequence[Load]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What the backend is called in the table, together with its device."""
        return f"{self.backend} ({'rehearsal' if self.rehearsal else self.device})"


def rows_of(
    measured: Iterable[Measured], outputs: Sequence[Outputs], facts: Facts, left_out: Sequence[LeftOut] = ()
) -> list[Row]:
    """Return the rows of all that was measured: the backends in their order, each from the smallest batch on.

    What was `left_out` from some round on, as where it crashed, is a row of the rounds before.
    """
    groups: dict[tuple[str, str, str], dict[int, list[Measured]]] = {}
    for each in measured:
        candidate = each.candidate
        key = (candidate.backend, candidate.device, candidate.precision)
        groups.setdefault(key, {}).setdefault(each.batch_size, []).append(each)
    return [
        _row(sizes[size], outputs, facts, left_out) for sizes in groups.values() for size in sorted(sizes)
    ]


def _row(
    rounds: Sequence[Measured], outputs: Sequence[Outputs], facts: Facts, left_out: Sequence[LeftOut]
) -> Row:
    candidate, size = rounds[0].candidate, rounds[0].batch_size
    pure = figure([each.pure.images / each.pure.seconds for each in rounds])
    streams = [each.end_to_end for each in rounds if each.end_to_end]
    end_to_end = figure([each.images / each.seconds for each in streams]) if streams else None
    chips = chips_of(candidate.backend, candidate.device, rehearsal=candidate.rehearsal)
    card = None if chips is None else card_rate(pure.throughput / candidate.devices, chips)
    own = _of(outputs, rounds[0])
    stages = _stages(streams)
    ended = [
        each.reason
        for each in left_out
        if each.backend == candidate.backend and each.batch_size in (None, size)
    ]
    return Row(
        backend=candidate.backend,
        device=candidate.device,
        precision=candidate.precision,
        model=str(candidate.models.get(size, candidate.models.get(None, ""))),
        batch_size=size,
        pure=pure,
        samples=sum(calls(each.pure) for each in rounds),
        latency_ms=_latency([each.pure for each in rounds]),
        end_to_end=end_to_end,
        stages=stages,
        threads=streams[0].threads if streams else {},
        limiting=limiting_stage(stages, streams[0].threads) if streams else None,
        devices=candidate.devices,
        chips=chips,
        card=card,
        ratios=ratios_of(card, size, facts),
        outputs=own,
        verdict=judge(rounds, pure, end_to_end, own, ended),
        rehearsal=candidate.rehearsal,
        at_once=max(each.pure.at_once for each in rounds),
        loads={
            "pure": [each.pure.load for each in rounds],
            "end_to_end": [each.load for each in streams],
        },
    )


def chips_of(backend: str, device: str, *, rehearsal: bool = False) -> int | None:
    """Return how many chips the card has that a device is of; None in a rehearsal, and of an NPU that is not known.

    A CPU or a GPU is measured as a whole; `trtexec` measures GPUs only, whatever it is said to have run on.
    """
    card = card_of(device)
    if rehearsal or (backend == "trtexec" and card in NPUS):
        return None
    if card:
        return CHIPS[card]
    return None if backend == "om" or backend.endswith("-cann") else 1


def ratios_of(card: float | None, batch_size: int, facts: Facts) -> dict[str, float]:
    """Return how many times as fast a card is as each documented column at a batch size, where that has one."""
    if card is None:
        return {}
    columns = facts.throughput.cards.items()
    return {name: card / rates[batch_size] for name, rates in columns if batch_size in rates}


def _of(outputs: Sequence[Outputs], row: Measured) -> Outputs | None:
    """Return how the outputs of a row compare; what is of its batch size is more than what is of all."""
    candidate = row.candidate
    own = [
        each
        for each in outputs
        if (each.backend, each.device, each.precision)
        == (candidate.backend, candidate.device, candidate.precision)
        and each.batch_size in (None, row.batch_size)
    ]
    return min(own, key=lambda each: each.batch_size is None, default=None)


def _latency(rounds: Sequence[Pure]) -> dict[str, float]:
    """Return the times of all rounds' calls, or of the printouts of a tool that tells no single calls."""
    timed = [each for part in rounds for each in part.calls_ms]
    if timed:
        return latency_ms(timed)
    joined: dict[str, Callable[[list[float]], float]] = {
        "mean": fmean,
        "min": min,
        "median": median,
        "max": max,
        "p99": median,
    }
    enough = sum(calls(each) for each in rounds) >= KEPT
    found = {}
    for name, join in joined.items():
        told = [each.printed[name] for each in rounds if name in each.printed]
        if told and (name != "p99" or enough):
            found[name] = join(told)
    return found


def _stages(streams: Sequence[EndToEnd]) -> dict[str, float]:
    """Return the busy seconds of each stage for 1000 images, summed over its threads: the median of the rounds."""
    names = dict.fromkeys(name for each in streams for name in each.stages)
    return {
        name: 1000 * median(each.stages.get(name, 0.0) / each.images for each in streams) for name in names
    }
