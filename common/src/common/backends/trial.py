"""Which runtime is the fastest for a network on this machine's CPU: tried in seconds, and remembered.

Each is tried with all cores for one batch, and with one core for each of several batches at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from common import cli, kernel, threads
from common.backends import remembered
from common.backends.base import Backend, models_of, random_feeds, run_batch
from common.backends.onnxruntime import OnnxRuntime
from common.backends.openvino import OpenVino
from common.backends.remembered import Choice
from common.backends.source import read_source
from common.errors import GuideError
from common.graph.aipp import Aipp
from common.report.versions import packages

NOISE = 1.05  # times as fast: a smaller gain does not replace the default
TURN, TURNS = (
    0.2,
    5,
)  # seconds of a turn, in which at least one call is made, and how many each candidate gets
LIMIT = (
    2.0  # seconds in all turns, after which a candidate gets no other: one for a network of seconds a call
)
SLOWER = 2.0  # times as slow as another one: is not tried any further
LONG = 1.0  # seconds of a first call, from which what it does once does not matter
TOGETHER = (
    2**31
)  # bytes that all candidates may take at the same time; larger ones are opened one after the other


@dataclass
class Tried:
    """A candidate, its images per second in each turn, and why it was tried no further."""

    choice: Choice
    rates: list[float] = field(default_factory=list)
    reason: str = ""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """The images per second, the median of the turns."""
        return median(self.rates) if self.rates else 0.0

    def __str__(self) -> str:
        return f"{self.rate:.3g} images/s" if self.rates else self.reason


def open_best(
    path: Path,
    aipp: Aipp | None = None,
    *,
    precision: str = "float32",
    optimise: bool = True,
    batch_size: int = 1,
    at_once: int = 1,
) -> Backend:
    """Open an ONNX file with the fastest runtime that computes in a precision, see `deployed.open_model`.

    What was tried before on this machine, with the same network and versions, is not tried again. Without `optimise` the
    graph is to be run as it is written, which ONNX Runtime alone does.
    """
    if not optimise:
        return OnnxRuntime(path, aipp, optimise=False, batch_size=batch_size, at_once=at_once)

    def opened(choice: Choice) -> Backend:
        if choice.backend == "openvino":
            return OpenVino(path, aipp, precision=precision, batch_size=size, at_once=choice.at_once)
        return OnnxRuntime(path, aipp, batch_size=size, at_once=choice.at_once)

    source = read_source(path, aipp)
    size, batches = source.calls(batch_size, at_once)
    needed = source.batch_memory(batch_size)
    calls = threads.at_once(batches, needed)
    key = {
        "network": source.identity,
        "precision": precision,
        "batch size": size,
        "at once": calls,
        "cpu": kernel.cpu_model(),
        "cores": threads.cores(),
        "versions": packages(),
    }
    choices = candidates(precision, calls)
    together = _fit(sum(3 * source.weights + choice.at_once * needed for choice in choices))
    del source  # its bytes need not be in memory beside the candidates'
    known = remembered.find(key, choices)
    if known:
        print(f"{path}: {known}")
        return opened(known.taken)
    cli.announce(f"{path}: trying {cli.counted(len(choices), 'way')} of running it on this CPU")
    tried = try_all(choices, opened, size, together=together)
    best = fastest(path, tried)
    for each in tried:
        print(f"tried: {each.choice}: {each}")
    where = remembered.keep(
        key, best.choice, gain(best, tried[0]), {str(each.choice): str(each) for each in tried}
    )
    print(f"taken: {best.choice}, {gain(best, tried[0])}; {where}")
    return opened(best.choice)


def gain(best: Tried, default: Tried) -> str:
    """Return in words how much faster the best is than what would have been taken without a trial."""
    if best is default:
        return "the default, which no other beats by more than what chance does"
    if not default.rates:
        return "since the default cannot run it"
    return f"{best.rate / default.rate:.2f} times as fast as the default, {default.choice}"


def _fit(needed: int) -> bool:
    """Tell whether all candidates may be open at the same time, by the bytes that they take."""
    left = kernel.memory_left()
    return needed <= TOGETHER and (left is None or needed <= left // 4)


def candidates(precision: str, at_once: int) -> list[Choice]:
    """Return what can be tried, the default first: what runs a network in that precision where nothing is chosen."""
    backends = ("onnxruntime", "openvino") if precision == "float32" else ("openvino",)
    return [Choice(each, count) for each in backends for count in dict.fromkeys((at_once, 1))]


def fastest(path: Path, tried: Sequence[Tried]) -> Tried:
    """Return the fastest; the default, which is the first, unless another one gains more than noise."""
    measured = [each for each in tried if each.rates]
    if not measured:
        reasons = "; ".join(f"{each.choice}: {each.reason}" for each in tried)
        raise GuideError(f"{path}: --backend auto: nothing on this machine runs this model: {reasons}")
    best = max(measured, key=lambda each: each.rate)
    return tried[0] if best.rate < NOISE * tried[0].rate else best


def try_all(
    choices: Sequence[Choice],
    opened: Callable[[Choice], Backend],
    batch_size: int,
    *,
    together: bool,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Tried]:
    """Try each of `choices` on random batches, and return how fast they are, in the same order.

    `together` they take turns, so that whatever else the machine does concerns all of them; otherwise one is closed before
    the next is opened. `clock` tells a thread's seconds.
    """
    tried = [Tried(choice) for choice in choices]
    for group in [tried] if together else [[each] for each in tried]:
        with ExitStack() as stack:
            turns: list[tuple[Tried, Callable[[float], float]]] = []
            for each in group:
                with _reasons(each):
                    network = stack.enter_context(opened(each.choice))
                    turn = _turns(each, network, batch_size, clock)
                    first = turn(0)  # it takes what memory it needs, and is not counted
                    if each.seconds > LONG and first * SLOWER < max(other.rate for other in tried):
                        each.reason = f"{first:.3g} images/s in the first call, clearly slower"
                    each.seconds = 0.0
                    turns.append((each, turn))
            for _ in range(TURNS):
                for each, turn in turns:
                    if not each.reason and each.seconds < LIMIT:
                        with _reasons(each):
                            each.rates.append(turn(TURN))
    return tried


@contextmanager
def _reasons(tried: Tried) -> Iterator[None]:
    """Keep the reason for which a candidate cannot be tried, or no further."""
    try:
        yield
    except (GuideError, MemoryError) as error:
        tried.reason, tried.rates = cli.message(error), []


def _turns(
    tried: Tried, network: Backend, batch_size: int, clock: Callable[[], float]
) -> Callable[[float], float]:
    """Return what runs a network for some seconds, at least once in each place, and returns the images per second."""
    feeds = random_feeds(network.inputs, batch_size)
    size, places = len(feeds[network.inputs[0].name]), models_of(network)

    def run(place: Backend, seconds: float) -> tuple[int, float]:
        begin, calls = clock(), 0
        while True:
            run_batch(place, feeds)
            calls += 1
            spent = clock() - begin
            if spent >= seconds:
                return calls, spent

    def turn(seconds: float) -> float:
        with ThreadPoolExecutor(len(places)) as pool:
            ended = list(pool.map(run, places, [seconds] * len(places)))
        tried.seconds += max(spent for _, spent in ended)
        return sum(size * calls / max(spent, 1e-9) for calls, spent in ended)

    return turn
