"""Whether a row can be believed: VALID, or INVALID with every reason in words and numbers.

A row is of several rounds, and its figures are medians. What disturbs up to a fifth of the rounds does not move these: it
is noted. What disturbs more makes the row INVALID.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from ascend_tools.benchmark.figures import Figure
from ascend_tools.benchmark.measurements import Load, Measured, Outputs, Pure
from common.cli import counted, shorten

ROUNDS = 3  # fewer have no noise to speak of
CALLS = 10  # of all rounds
NOISE = 0.4  # which is the range of all rounds; the standard error of their median is about a fifth of it
STRAY = 0.2  # of the rounds, which may be disturbed
FULL = 0.9  # of the cores: so busy that whoever wants more waits
OTHERS = (0.15, 0.01)  # cores that others may take of full ones, and as a part of all; the larger counts
STEAL = 0.05  # of the CPU time that was wanted
MOMENT = 0.1  # CPU seconds; less is counted too coarsely to say anything of a short measurement
HELD_BACK = 0.1  # of the periods of a container's limit
PERIODS = 5  # fewer say nothing
CLOCK = 0.8  # of the fastest round's
HOT = 0.05  # of the time
SLOWED, PART = 1.3, 4  # the last third of a round's calls to the first one's, and the calls of each
TOLD = 0.3  # of what others took: who took less is not named
PURE, END_TO_END = "pure inference", "end to end"
Part = tuple[int, str, Load]  # round, what was measured, what used the machine then


@dataclass(frozen=True)
class Verdict:
    """The reasons why a row is INVALID, none where it is VALID, and what a reader has to know besides."""

    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return the word for it."""
        return "INVALID" if self.reasons else "VALID"


def judge(
    rounds: Sequence[Measured],
    pure: Figure,
    end_to_end: Figure | None,
    outputs: Outputs | None,
    ended: Sequence[str] = (),
) -> Verdict:
    """Judge one row: all rounds of a backend at a batch size, their figures, and what is known of the outputs.

    `ended` says why there are no more rounds.
    """
    reasons = [
        *(f"it ended after {counted(len(rounds), 'round')}: {reason}" for reason in ended),
        *_few(rounds),
        *_constant([each.pure for each in rounds]),
        *_noisy(PURE, pure),
        *(_noisy(END_TO_END, end_to_end) if end_to_end else ()),
    ]
    notes = list(rounds[0].candidate.notes)
    parts = [(each.round, PURE, each.pure.load) for each in rounds]
    parts += [(each.round, END_TO_END, each.end_to_end.load) for each in rounds if each.end_to_end]
    for found, disturbed in _disturbances(parts):
        (reasons if disturbed else notes).append(found)
    reasons += _slowing(rounds)
    in_use = Counter(user for _, _, load in parts for user in set(load.device))
    if in_use:
        reasons.append(f"the device was in use by others: {shorten(in_use)}")
    if outputs and outputs.ok is False:
        reasons.append(f"outputs differ: {outputs.words}")
    elif outputs is None or outputs.ok is None:
        words = outputs.words.removeprefix("not compared: ") if outputs else ""
        notes.append("outputs not compared" + (f": {words}" if words else ""))
    if all(load.others is None for _, _, load in parts):
        notes.append("this machine does not tell what else uses its CPU")
    return Verdict(tuple(dict.fromkeys(reasons)), tuple(dict.fromkeys(notes)))


def calls(pure: Pure) -> int:
    """Return how many calls a round has timed."""
    return len(pure.calls_ms) or pure.count or 0


def _few(rounds: Sequence[Measured]) -> Iterator[str]:
    timed = sum(calls(each.pure) for each in rounds)
    if len(rounds) < ROUNDS:
        yield f"too few samples: {counted(len(rounds), 'round')}, {ROUNDS} at least are needed"
    elif timed < CALLS:
        yield f"too few samples: {counted(timed, 'call')} in all, {CALLS} at least are needed; raise --seconds"


def _constant(parts: Sequence[Pure]) -> Iterator[str]:
    if any(part.distinct == 1 and part.calls_ms for part in parts):
        yield "the inputs did not change: every call got the same batch; name more pictures with --data"


def _noisy(what: str, figure: Figure) -> Iterator[str]:
    if figure.noise is not None and figure.noise > NOISE:
        yield (
            f"noise: {what} ±{figure.noise:.0%}, at most {NOISE:.0%} is accepted; the rounds go from "
            f"{min(figure.rounds):.4g} to {max(figure.rounds):.4g} images/s"
        )


def _slowing(rounds: Sequence[Measured]) -> Iterator[str]:
    """Yield in words that calls take longer the longer a device is at work, which no noise between rounds tells."""
    pairs = []
    for each in rounds:
        times = each.pure.calls_ms if each.candidate.devices == 1 else ()  # else one device's after another's
        part = len(times) // 3
        if part >= PART:
            pairs.append((median(times[:part]), median(times[-part:])))
    slowed = [(first, last) for first, last in pairs if last > SLOWED * first]
    if 2 * len(slowed) > len(pairs):
        first, last = (median(times) for times in zip(*slowed, strict=True))
        yield (
            f"throttling: calls became slower within a round, from {first:.4g} to {last:.4g} ms ({PURE}, {len(slowed)} of "
            f"{counted(len(rounds), 'round')})"
        )


def _disturbances(parts: Sequence[Part]) -> Iterator[tuple[str, bool]]:
    """Yield what disturbed some rounds, in words, and whether these are too many."""
    for what in (PURE, END_TO_END):
        loads = [(number, load) for number, kind, load in parts if kind == what]
        checks: list[tuple[Callable[[Load], bool], Callable[[Sequence[Load]], str]]] = [
            (_crowded, _others_in_words),
            (_crowded_inside, _inside_in_words),
            (lambda load: steal_share(load) > STEAL and (load.steal or 0.0) > MOMENT, _steal_in_words),
            (lambda load: (load.hot or 0.0) > HOT * load.seconds, _hot_in_words),
        ]
        if what == PURE:  # end to end, more threads than the limit allows are at work at any time
            checks.append((_throttled, _throttled_in_words))
        for is_disturbed, in_words in checks:
            found = [load for _, load in loads if is_disturbed(load)]
            if found:
                share = f"{what}, {len(found)} of {counted(len(loads), 'round')}"
                yield f"{in_words(found)} ({share})", len(found) > STRAY * len(loads)
        clocks = [load.clock_mhz for _, load in loads if load.clock_mhz]
        slow = [clock for clock in clocks if clock < CLOCK * max(clocks)]
        if slow:
            words = f"throttling: the CPU's clock fell from {max(clocks):.0f} to {min(clocks):.0f} MHz"
            yield (
                f"{words} ({what}, {len(slow)} of {counted(len(loads), 'round')})",
                len(slow) > STRAY * len(clocks),
            )


def others_cores(load: Load) -> float:
    """Return how many cores all else took on average."""
    return (load.others or 0.0) / max(load.seconds, 1e-9)


def steal_share(load: Load) -> float:
    """Return which part of the CPU time that was wanted the hypervisor gave to others."""
    wanted = load.own + (load.others or 0.0) + (load.steal or 0.0)
    return (load.steal or 0.0) / wanted if wanted > 0 else 0.0


def _crowded(load: Load) -> bool:
    """Tell whether others took CPU that was wanted: some cores' worth, while all cores were at work."""
    used = load.own + (load.others or 0.0) + (load.steal or 0.0)
    full = used >= FULL * load.cores * load.seconds
    taken = others_cores(load) > max(OTHERS[0], OTHERS[1] * load.cores)
    return full and taken and (load.others or 0.0) > MOMENT


def _crowded_inside(load: Load) -> bool:
    """Tell whether others in the container took of its limit, while that was used up."""
    if load.limit is None or load.inside is None:
        return False
    full = load.own + load.inside >= FULL * load.limit * load.seconds
    return full and load.inside > max(OTHERS[0], OTHERS[1] * load.limit) * load.seconds


def _throttled(load: Load) -> bool:
    return load.periods >= PERIODS and load.held_back > HELD_BACK * load.periods


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


def _others_in_words(loads: Sequence[Load]) -> str:
    cores, total = loads[0].cores, sum(load.others or 0.0 for load in loads)
    words = f"another process: others took {_mean(map(others_cores, loads)):.2g} of {cores:g} cores, all of which were at work"
    spent: dict[str, float] = {}
    for load in loads:
        if load.busiest:
            spent[str(load.busiest)] = spent.get(str(load.busiest), 0.0) + load.busiest.seconds
    most = max(spent, key=spent.__getitem__, default="")
    return f"{words}; most of it {most}" if spent.get(most, 0.0) > TOLD * total else words


def _inside_in_words(loads: Sequence[Load]) -> str:
    taken = _mean((load.inside or 0.0) / load.seconds for load in loads)
    return f"another process in this container took {taken:.2g} of its {loads[0].limit:g} cores, which were used up"


def _steal_in_words(loads: Sequence[Load]) -> str:
    return f"throttling: the host gave {_mean(map(steal_share, loads)):.0%} of the CPU time to other virtual machines (steal)"


def _hot_in_words(loads: Sequence[Load]) -> str:
    taken = _mean((load.hot or 0.0) / load.seconds for load in loads)
    return f"throttling: the CPU was slowed down for its heat, {taken:.0%} of the time"


def _throttled_in_words(loads: Sequence[Load]) -> str:
    held, periods = sum(load.held_back for load in loads), sum(load.periods for load in loads)
    limit = loads[0].limit or 0.0
    return (
        f"throttling: the container's limit of {limit:g} cores stopped the processes in {held / periods:.0%} of its periods; "
        f"give them as many CPUs: taskset -c 0-{max(int(limit) - 1, 0)}"
    )
