"""Many items through a network on many machines: parts to workers, results back as they come, nothing lost or twice."""

from __future__ import annotations

import itertools
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from common.cli import shorten
from common.cluster import lost, pictures
from common.cluster.fleet import Fleet, Member
from common.cluster.parts import IN_HAND, Part, cut
from common.cluster.worker import Told
from common.engine.task import ContextT, ResultT, SourceT, Task, file_of
from common.errors import GuideError
from common.timing import Stopwatch

AHEAD = 4  # parts for each worker that may be given out beyond the one whose results are due


def run_on_ray(
    task: Task[SourceT, ContextT, ResultT],
    fleet: Fleet,
    sources: Mapping[str, SourceT] | Iterable[tuple[str, SourceT]],
    *,
    batch_size: int,
    workers: int | None,
    watch: Stopwatch,
    in_order: bool = False,
    hash_of: Callable[[Path], str] | None = None,
) -> Generator[tuple[str, ResultT], None, None]:
    """Yield each key with its result, once, in the order in which workers are done, or in that of the sources.

    Each worker has two parts in hand, of whole batches, and tells what it has as it comes. The rest of what a lost worker had is
    given to others; the same items may take `lost.TRIES` workers with them. Memory does not grow with the number of items.

    Args:
        task: what comes before and after the network.
        fleet: the open network.
        sources: the items by key, or pairs, which are taken as they are needed.
        batch_size: the items in a batch.
        workers: threads of each worker that prepare, and as many that finish; None for its share of the cores.
        watch: the seconds of the stages, summed over workers, are added to it.
        in_order: whether the results are to come in the order of the sources.
        hash_of: returns the SHA-256 of a file here, nothing where that is not certain, for the files that workers read to be
            compared with those of the same names; None compares none.
    """
    count = len(sources) if isinstance(sources, Mapping) else None
    pairs = sources.items() if isinstance(sources, Mapping) else sources
    spread = _Spread(task, fleet, pairs, count, batch_size, workers, watch, hash_of)
    yield from spread.in_order() if in_order else (pair for _, pair in spread.results())


class _Spread:
    """The parts of one run: those to come, those to be done again, and those that workers have in hand."""

    def __init__(
        self,
        task: Task[Any, Any, Any],
        fleet: Fleet,
        pairs: Iterable[tuple[str, Any]],
        count: int | None,
        batch_size: int,
        workers: int | None,
        watch: Stopwatch,
        hash_of: Callable[[Path], str] | None,
    ) -> None:
        self._task, self._fleet, self._watch = task, fleet, watch
        self._hash_of = None if fleet.engine.send_pictures else hash_of
        self._batch_size, self._workers = batch_size, workers
        self._cut = cut(iter(pairs), count, batch_size, lambda: len(fleet.members), self._sent)
        self._again: deque[Part] = deque()
        self._running: dict[Any, tuple[Member, Part]] = {}
        self._short: list[tuple[int, tuple[str, Any]]] = []  # results of a last batch that is not whole
        self._due = 0  # the number of the first part that is not done
        self._done: set[int] = set()  # beyond it

    def results(self, window: int | None = None) -> Iterator[tuple[int, tuple[str, Any]]]:
        """Yield the number of its part with each key and result; parts stay within `window` of the first one not done.

        A batch that is not whole comes last: who stores whole batches then has the same ones as without a cluster.
        """
        import ray

        while True:
            self._hand_out(window)
            if not self._running:
                part = self._next(None)
                if part is None:
                    yield from self._short
                    return
                self._again.appendleft(part)
                self._fleet.wait()
                continue
            opening = [member.opening for member in self._fleet.members if not member.opened]
            waited = [*self._running, *opening]
            ray.wait(waited, num_returns=1)
            ready, _ = ray.wait(waited, num_returns=len(waited), timeout=0)  # what came at the same time
            for ref in ready:
                if ref in self._running:  # its worker was not lost since
                    yield from self._take(ref)
                elif ref in opening:
                    self._fleet.was_opened(ref)

    def in_order(self) -> Iterator[tuple[str, Any]]:
        """Yield results in the order of the parts; what comes before its turn waits."""
        waiting: dict[int, list[tuple[str, Any]]] = {}
        turn = 0
        for number, pair in self.results(AHEAD):
            waiting.setdefault(number, []).append(pair)
            while turn in waiting or turn < self._due:
                yield from waiting.pop(turn, ())
                if turn >= self._due:
                    break
                turn += 1
        for number in sorted(waiting):
            yield from waiting[number]

    def _hand_out(self, window: int | None) -> None:
        """Give parts to workers until each has enough, first to those that have fewer."""
        held = Counter(member for member, _ in self._running.values())
        for most in range(1, IN_HAND + 1):
            for member in self._fleet.ready:
                if held[member] < most and (part := self._next(window)):
                    self._give(member, part)
                    held[member] += 1

    def _next(self, window: int | None) -> Part | None:
        if self._again:
            return self._again.popleft()
        if window and len(self._done) >= window * max(1, len(self._fleet.members)):
            return None
        return next(self._cut, None)

    def _give(self, member: Member, part: Part) -> None:
        """Have a worker begin a part; before its last try a batch of it alone, so that few items are to blame."""
        items = itertools.islice(
            part.left.items(), self._batch_size if part.losses >= lost.TRIES - 1 else None
        )
        sources = {key: pictures.with_path(each, file_of(each).absolute()) for key, each in items}
        part.in_hand = set(sources)
        files = pictures.read(sources.values()) if self._fleet.engine.send_pictures else None
        method = member.actor.part.options(num_returns="streaming")
        generator = method.remote(
            self._task, sources, files, self._batch_size, self._workers, self._hash_of is not None
        )
        self._running[generator] = (member, part)

    def _take(self, generator: Any) -> Iterator[tuple[int, tuple[str, Any]]]:
        """Yield what a worker tells of a part."""
        import ray

        member, part = self._running[generator]
        try:
            told: Told = ray.get(next(generator))
        except StopIteration:
            del self._running[generator]
            if part.in_hand:
                raise GuideError(f"{member} gave no result for {shorten(sorted(part.in_hand))}.") from None
            self._go_on(part)
            return
        except ray.exceptions.RayError as error:
            self._lost(member, error)
            return
        self._check_files(member, told.hashes)
        for stage, seconds in told.seconds.items():
            self._watch.add(stage, seconds)
        whole = len(told.results) // self._batch_size * self._batch_size
        for place, (key, result) in enumerate(told.results):
            del part.left[key]
            part.in_hand.remove(key)
            if place < whole:
                yield part.number, (key, result)
            else:
                self._short.append((part.number, (key, result)))

    def _go_on(self, part: Part) -> None:
        """Have the rest of a part done next, or note that all of it is."""
        if part.left:
            self._again.appendleft(part)
            return
        self._done.add(part.number)
        while self._due in self._done:
            self._done.remove(self._due)
            self._due += 1

    def _lost(self, member: Member, error: Exception) -> None:
        """Have what a lost worker had in hand done again."""
        running = [(ref, part) for ref, (each, part) in self._running.items() if each is member]
        parts = sorted((part for _, part in running), key=lambda part: part.number, reverse=True)
        self._explain_unreadable(member, error, parts)
        self._fleet.lose(member, error)
        for ref, _ in running:
            del self._running[ref]
        for part in parts:
            part.losses += 1
        if blamed := sorted(key for part in parts if part.losses >= lost.TRIES for key in part.in_hand):
            raise GuideError(
                f"{shorten(blamed)}: {lost.TRIES} workers have ended with these items in hand, the last one "
                f"{member}. Try them alone with --engine local; what is done is stored."
            )
        for part in parts:
            self._go_on(part)

    def _explain_unreadable(self, member: Member, error: Exception, parts: list[Part]) -> None:
        """Where a worker does not see a file that is there for this process, say what to do."""
        text = str(getattr(error, "cause", ""))
        for part in parts:
            for source in part.left.values():
                path = file_of(source).absolute()
                if str(path) in text and "No such file" in text and path.is_file():
                    raise GuideError(
                        f"{path}: is here, and not for {member}. Put the pictures on storage that all machines see under "
                        "this path, or add --send-pictures."
                    ) from None

    def _check_files(self, member: Member, hashes: Mapping[Path, str]) -> None:
        """Refuse results of a file that is another one here."""
        for path, found in hashes.items():
            here = self._hash_of(path) if self._hash_of else ""
            if here not in ("", found):
                raise GuideError(
                    f"{path}: {member} has another file under this name than this machine. Copy the pictures again, or add "
                    "--send-pictures."
                )

    def _sent(self, source: Any) -> int:
        """Return how many bytes of a picture are sent with its part."""
        if not self._fleet.engine.send_pictures or pictures.carries_bytes(source):
            return 0
        return file_of(source).stat().st_size
