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

NOISE = 1.1  # times as fast: a smaller gain does not replace the default
TURN = 0.2  # seconds of a turn, in which at least one call is made
TURNS = 5  # of each candidate
LIMIT = 2.0  # seconds in its turns, after which a candidate gets no other; a long call is one
SLOWER = 2.0  # times as slow as another in its first call: gets no turn
LONG = 3.0  # seconds of a first call, in which what is done only once does not matter, even on a busy machine
TOGETHER = 2**31  # bytes that the candidates may take in all; larger ones are opened one after the other


@dataclass
class Tried:
    """A candidate, its images per second in each turn, and why it was tried no further."""

    choice: Choice
    rates: list[float] = field(default_factory=list)
    reason: str = ""
    failed: bool = False
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
    installed = packages()
    key = {
        "network": source.identity,
        "precision": precision,
        "batch size": size,
        "at once": calls,
        "cpu": kernel.cpu_model(),
        "cores": threads.cores(),
        "versions": installed,
    }
    choices = candidates(precision, calls)
    together = fit(sum(3 * source.weights + choice.at_once * needed for choice in choices))
    del source  # its bytes need not be in memory beside the candidates'
    known = remembered.find(key, choices)
    if known:
        print(f"{path}: {known}")
        return opened(known.taken)
    cli.announce(f"{path}: trying {cli.counted(len(choices), 'way')} of running it on this CPU")
    begin = time.perf_counter()
    tried = try_all(choices, opened, size, together=together)
    best = fastest(path, tried)
    print(
        f"{path}: tried for {time.perf_counter() - begin:.0f} s, {precision}, {cli.counted(size, 'image')} a batch"
    )
    for each in tried:
        print(f"tried: {each.choice}: {each}")
    # What is installed and fails may be repaired, or lacked memory only now; what is not is tried once it is.
    if any(each.failed and each.choice.backend in installed for each in tried):
        where = "not remembered, since not all could be tried"
    else:
        where = remembered.keep(
            key, best.choice, gain(best, tried[0]), {str(each.choice): str(each) for each in tried}
        )
    print(f"taken: {best.choice}, {gain(best, tried[0])}; {where}")
    return opened(best.choice)


def gain(best: Tried, default: Tried) -> str:
    """Return in words how much faster the best is than what would have been taken without a trial."""
    if best is default:
        return f"the default, since no other is {100 * (NOISE - 1):.0f} % faster"
    if not default.rates:
        return "since the default cannot run it"
    return f"{best.rate / default.rate:.2f} times as fast as the default, {default.choice}"


def fit(needed: int) -> bool:
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
            turns = []
            for each in group:
                with _reasons(each):
                    network = stack.enter_context(opened(each.choice))
                    turn = _turns(network, batch_size, clock)
                    turns.append(
                        (each, turn, *turn(0))
                    )  # the first call takes the memory, and is not counted
            for _ in range(TURNS):
                for each, turn, first, seconds in turns:
                    if seconds > LONG and first * SLOWER < max(other.rate for other in tried):
                        each.reason = f"{first:.3g} images/s in the first call, clearly slower"
                    if not each.reason and each.seconds < LIMIT:
                        with _reasons(each):
                            rate, spent = turn(TURN)
                            each.rates.append(rate)
                            each.seconds += spent
    return tried


@contextmanager
def _reasons(tried: Tried) -> Iterator[None]:
    """Keep the reason for which a candidate cannot be tried, or no further."""
    try:
        yield
    except (GuideError, MemoryError) as error:
        tried.reason, tried.rates, tried.failed = cli.message(error), [], True


def _turns(
    network: Backend, batch_size: int, clock: Callable[[], float]
) -> Callable[[float], tuple[float, float]]:
    """Return what runs a network for some seconds, at least once in each place, and returns images per second and seconds."""
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

    def turn(seconds: float) -> tuple[float, float]:
        with ThreadPoolExecutor(len(places)) as pool:
            ended = list(pool.map(run, places, [seconds] * len(places)))
        rate = sum(size * calls / max(spent, 1e-9) for calls, spent in ended)
        return rate, max(spent for _, spent in ended)

    return turn
