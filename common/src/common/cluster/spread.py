"""Many items through a network on many machines: parts to workers, results back as they come, nothing lost or twice."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.cli import shorten
from common.cluster import lost, pictures
from common.cluster.fleet import Fleet, Member
from common.cluster.worker import Told
from common.engine.task import ContextT, ResultT, SourceT, Task, file_of
from common.errors import GuideError
from common.files import file_hash
from common.timing import Stopwatch

IN_HAND = 2  # parts that a worker has: while one ends the next one begins
LARGEST = 256  # items in a part
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
    check_files: bool = True,
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
        check_files: whether the files that workers read are compared with those of the same names here.
    """
    count = len(sources) if isinstance(sources, Mapping) else None
    pairs = sources.items() if isinstance(sources, Mapping) else sources
    spread = _Spread(task, fleet, pairs, count, batch_size, workers, watch, check_files=check_files)
    yield from spread.in_order() if in_order else (pair for _, pair in spread.results())


@dataclass(eq=False)
class _Part:
    """Some items, of which `left` have no result yet; `losses` is how many workers were lost with it."""

    number: int
    left: dict[str, Any]
    losses: int = 0


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
        *,
        check_files: bool,
    ) -> None:
        self._task, self._fleet, self._watch = task, fleet, watch
        self._check = check_files and not fleet.engine.send_pictures
        self._batch_size, self._workers = batch_size, workers
        self._cut = _cut(iter(pairs), count, batch_size, lambda: len(fleet.members), self._most)
        self._again: deque[_Part] = deque()
        self._running: dict[Any, tuple[Member, _Part]] = {}
        self._due = 0  # the number of the first part that is not done
        self._done: set[int] = set()  # beyond it

    def results(self, window: int | None = None) -> Iterator[tuple[int, tuple[str, Any]]]:
        """Yield the number of its part with each key and result; parts stay within `window` of the first one not done."""
        import ray

        while True:
            self._hand_out(window)
            if not self._running:
                part = self._next(None)
                if part is None:
                    return
                self._again.appendleft(part)
                self._fleet.wait()
                continue
            opening = [member.opening for member in self._fleet.members if not member.opened]
            ready, _ = ray.wait([*self._running, *opening], num_returns=1)
            for ref in ready:
                if ref in self._running:
                    yield from self._take(ref)
                else:
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
        """Give parts to workers until each has enough."""
        for _ in range(IN_HAND):
            for member in self._fleet.ready:
                held = sum(1 for each, _ in self._running.values() if each is member)
                if held < IN_HAND and (part := self._next(window)):
                    self._give(member, part)

    def _next(self, window: int | None) -> _Part | None:
        if self._again:
            return self._again.popleft()
        if window and len(self._done) >= window * max(1, len(self._fleet.members)):
            return None
        return next(self._cut, None)

    def _give(self, member: Member, part: _Part) -> None:
        """Have a worker begin a part."""
        sources = {key: pictures.with_path(each, file_of(each).absolute()) for key, each in part.left.items()}
        files = pictures.read(sources.values()) if self._fleet.engine.send_pictures else None
        method = member.actor.part.options(num_returns="streaming")
        generator = method.remote(self._task, sources, files, self._batch_size, self._workers, self._check)
        self._running[generator] = (member, part)

    def _take(self, generator: Any) -> Iterator[tuple[int, tuple[str, Any]]]:
        """Yield what a worker tells of a part."""
        import ray

        member, part = self._running[generator]
        try:
            told: Told = ray.get(next(generator))
        except StopIteration:
            del self._running[generator]
            self._finished(member, part)
            return
        except ray.exceptions.RayError as error:
            self._lost(member, error)
            return
        self._check_files(member, told.hashes)
        for stage, seconds in told.seconds.items():
            self._watch.add(stage, seconds)
        for key, result in told.results:
            del part.left[key]
            yield part.number, (key, result)

    def _finished(self, member: Member, part: _Part) -> None:
        if part.left:
            raise GuideError(f"{member} gave no result for {shorten(part.left)}.")
        self._done.add(part.number)
        while self._due in self._done:
            self._done.remove(self._due)
            self._due += 1

    def _lost(self, member: Member, error: Exception) -> None:
        """Have what a lost worker had in hand done again."""
        parts = [(ref, part) for ref, (each, part) in self._running.items() if each is member]
        self._explain_unreadable(member, error, [part for _, part in parts])
        self._fleet.lose(member, error)
        for ref, part in sorted(parts, key=lambda pair: pair[1].number, reverse=True):
            del self._running[ref]
            part.losses += 1
            if part.losses >= lost.TRIES:
                raise GuideError(
                    f"{shorten(part.left)}: {part.losses} workers have ended with these items in hand, the last one "
                    f"{member}. Try them alone with --engine local; what is done is stored."
                )
            if part.left:
                self._again.appendleft(part)
            else:
                self._finished(member, part)

    def _explain_unreadable(self, member: Member, error: Exception, parts: list[_Part]) -> None:
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
            if path.is_file() and file_hash(path) != found:
                raise GuideError(
                    f"{path}: {member} has another file under this name than this machine. Copy the pictures again, or add "
                    "--send-pictures."
                )

    def _most(self, source: Any) -> int:
        """Return how many pictures of this size may be sent at once."""
        if not self._fleet.engine.send_pictures or pictures.carries_bytes(source):
            return LARGEST
        return pictures.SENT // max(1, file_of(source).stat().st_size)


def _cut(
    pairs: Iterator[tuple[str, Any]],
    count: int | None,
    batch_size: int,
    members: Callable[[], int],
    most: Callable[[Any], int],
) -> Iterator[_Part]:
    """Yield parts of whole batches, smaller ones towards the end, so that all workers end at about the same time."""
    for number in itertools.count():
        first = next(pairs, None)
        if first is None:
            return
        size = LARGEST
        if count is not None:
            size = min(size, count // (2 * IN_HAND * max(1, members())))
        size = max(1, min(size, most(first[1])) // batch_size) * batch_size
        items = [first, *itertools.islice(pairs, size - 1)]
        if count is not None:
            count -= len(items)
        yield _Part(number, dict(items))
