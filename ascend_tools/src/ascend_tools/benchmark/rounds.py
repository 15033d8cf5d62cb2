"""Rounds: in each, every backend is measured once in a process of its own, so that noise and drift meet all of them."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ascend_tools.benchmark import child, devices, inputs, trtexec
from ascend_tools.benchmark.at_hand import AtHand
from ascend_tools.benchmark.inputs import Inputs
from ascend_tools.benchmark.measure import Request
from ascend_tools.benchmark.measurements import Candidate, EndToEnd, LeftOut, Measured, Outputs, Pure
from ascend_tools.benchmark.opened import OM, shares_cores
from ascend_tools.benchmark.plan import Model, Plan, own_modules
from ascend_tools.benchmark.references import References
from common import alone, cli
from common.errors import GuideError
from common.files import make_folder

WORK = ".benchmark"  # in OUT, a directory of no user's own, who may name any OUT: it is removed with all that is in it
_SUITED = "the model file there takes other batch sizes alone"


@dataclass
class Found:
    """What was measured so far, in the order of the rounds, and what was not and why; what was fed.

    It is complete unless it was `interrupted`.
    """

    measured: list[Measured] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    outputs: list[Outputs] = field(default_factory=list)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    interrupted: bool = False


def measure(plan: Plan, at_hand: AtHand, after_round: Callable[[Found], object] = lambda _: None) -> Found:
    """Measure all candidates in all rounds; an interruption ends it, and what was had by then is returned.

    `after_round` is called with what is known after each backend of each round. Prints on stderr alone. Everything that is of
    no use afterwards, of which the inputs can take a GiB, is removed.
    """
    found = Found(left_out=list(at_hand.left_out))
    work = (plan.out / WORK).resolve()
    with contextlib.redirect_stdout(sys.stderr), contextlib.ExitStack() as stack:
        alone.take(plan.out)
        stack.enter_context(_folder(work))
        model = own_modules(plan.folder)
        prepared = inputs.prepare(plan, model, work / "inputs")
        found.inputs = prepared.as_data()
        rounds = _Rounds(plan, at_hand, model, prepared, work, found)
        try:
            rounds.run(after_round)
        except KeyboardInterrupt:
            found.interrupted = True
    return found


class _Rounds:
    """The candidates with the batch sizes that are still measured of each, and what becomes known."""

    def __init__(
        self, plan: Plan, at_hand: AtHand, model: Model, prepared: Inputs, work: Path, found: Found
    ) -> None:
        self._plan, self._inputs = plan, prepared
        self._work, self._found = work, found
        self._candidates = list(at_hand.candidates)
        self._left = [self._suited(candidate) for candidate in self._candidates]
        self._references = References(plan.facts, at_hand.onnx, model.differences, self._child)
        self._trtexec: trtexec.Trtexec | None = None

    def run(self, after_round: Callable[[Found], object]) -> None:
        """Measure, round by round; each begins with another backend."""
        count = len(self._candidates)
        for index, candidate in enumerate(self._candidates):
            for size in sorted(self._left[index]) if candidate.backend != trtexec.NAME else ():
                self._references.of(size)
        parts = (
            (3 if shares_cores(candidate.backend) else 2) * len(sizes)
            for candidate, sizes in zip(self._candidates, self._left, strict=True)
        )
        seconds = math.ceil(sum(parts) * self._plan.rounds * self._plan.seconds)
        cli.announce(
            f"measuring {cli.counted(count, 'backend')}, {cli.counted(self._plan.rounds, 'round')}: {seconds} s, or more where "
            "few calls take long"
        )
        order = [(number, (number + k) % count) for number in range(self._plan.rounds) for k in range(count)]
        for number, index in cli.progress(order, len(order), "measure", "run"):
            if self._left[index]:
                self._measure(number, index)
                after_round(self._found)

    def _suited(self, candidate: Candidate) -> set[int]:
        """Return the batch sizes that a candidate can be measured at; the others are noted."""
        suited = set()
        for size in self._plan.sizes:
            if size > self._inputs.largest:
                self._leave_out(candidate, size, "the inputs of two batches would have more than a GiB")
            elif candidate.models.keys() & {size, None}:
                suited.add(size)
            elif candidate.backend != OM:  # whose reasons are told where they were looked for
                self._leave_out(candidate, size, _SUITED)
        return suited

    def _measure(self, number: int, index: int) -> None:
        """Measure one candidate once, in round `number`, counted from 0."""
        candidate = self._candidates[index]
        before = devices.users(candidate, self._plan.devices)
        measured: dict[int, tuple[Pure, EndToEnd | None]] = {}
        try:
            if candidate.backend == trtexec.NAME:
                self._call_trtexec(number, index, measured)
            else:
                self._run_children(number, index, measured)
        finally:  # what was had before an interruption counts
            after = devices.users(candidate, self._plan.devices) if measured else ()
            users = tuple(dict.fromkeys((*before, *after)))
            for size, (pure, whole) in sorted(measured.items()):
                self._found.measured.append(
                    Measured(
                        self._candidates[index],
                        size,
                        replace(pure, load=replace(pure.load, device=users)),
                        whole and replace(whole, load=replace(whole.load, device=users)),
                        number,
                    )
                )

    def _run_children(
        self, number: int, index: int, measured: dict[int, tuple[Pure, EndToEnd | None]]
    ) -> None:
        """Measure in processes: one, and where it ends early another one for what is left."""
        todo = set(self._left[index])
        while todo:
            candidate = self._candidates[index]
            name = f"round{number + 1}_{candidate.backend}_bs{min(todo)}"
            left = self._child(candidate, todo, name, compare=number == 0)
            self._know(index, left)
            for size, pure in left.pure.items():
                measured[size] = (pure, left.end_to_end.get(size))
            for size, path in left.outputs.items():
                self._found.outputs.append(self._references.compare(self._candidates[index], size, path))
            for size, reason in left.left_out.items():
                self._drop(index, {size}, reason)
            todo -= measured.keys() | left.left_out.keys()
            if left.interrupted:
                raise KeyboardInterrupt
            if left.at is None:
                break
            failed = {left.at}
            if not left.opened and left.at == min(
                todo
            ):  # else it opened for smaller batches, and may for these
                path = _file(candidate, left.at)
                failed = {size for size in self._left[index] if _file(candidate, size) == path}
            self._drop(index, failed, left.reason)
            todo -= failed

    def _child(
        self, candidate: Candidate, sizes: Iterable[int], name: str, *, compare: bool, reference: bool = False
    ) -> child.Left:
        """Run a measuring process."""
        prepared = self._inputs
        request = Request(
            backend=candidate.backend,
            models={size: str(_file(candidate, size)) for size in sizes},
            folder=str(self._plan.folder.resolve()),
            devices=self._plan.devices if candidate.backend == OM else (),
            seconds=self._plan.seconds,
            smallest=min(self._plan.sizes),
            longest=self._plan.longest,
            workers=self._plan.workers,
            inputs=str(prepared.folder),
            names=prepared.names,
            items=prepared.items,
            data=str(prepared.data.resolve()),
            outputs=str(self._work / "outputs") if compare else "",
            reference=reference,
        )
        log = self._plan.out / "logs" / f"{name}.log"
        make_folder(log.parent)
        silent = self._plan.silent + 2 * self._plan.seconds  # nothing is said in the midst of a measurement
        return child.run(request, self._work, log, silent)

    def _call_trtexec(
        self, number: int, index: int, measured: dict[int, tuple[Pure, EndToEnd | None]]
    ) -> None:
        """Measure with `trtexec`, one batch size after the other."""
        self._trtexec = self._trtexec or trtexec.Trtexec(self._plan, self._inputs, self._work)
        candidate, too_long = self._candidates[index], ""
        for size in sorted(self._left[index]):
            if too_long:
                self._drop(index, {size}, too_long)
                continue
            try:
                pure = self._trtexec.measure(_file(candidate, size), size, number + 1)
            except GuideError as error:
                self._drop(index, {size}, str(error))
                continue
            call = pure.seconds / (pure.count or 1)
            if size > min(self._plan.sizes) and call > self._plan.longest:
                too_long = f"a call of {size} takes {call:.2g} s, more than --longest {self._plan.longest:g}"
                self._drop(index, {size}, too_long)
            else:
                measured[size] = (pure, None)
        if number == 0:
            self._found.outputs += [
                Outputs(candidate.backend, candidate.device, candidate.precision, size, None, trtexec.UNSEEN)
                for size in measured
            ]

    def _know(self, index: int, left: child.Left) -> None:
        """Take over what a backend said of itself when it was open."""
        candidate = self._candidates[index]
        if left.precision:
            known = (candidate.backend, candidate.backend.partition("-")[0], "")
            said = (left.name,) if left.name not in known else ()
            notes = tuple(dict.fromkeys((*candidate.notes, *said, *left.notes)))
            self._candidates[index] = replace(candidate, precision=left.precision, notes=notes)

    def _drop(self, index: int, sizes: set[int], reason: str) -> None:
        """Measure some batch sizes of a candidate no more; where none is left and none was measured, it is left out whole."""
        before = set(self._left[index])
        self._left[index] -= sizes
        candidate = self._candidates[index]
        if before == sizes and len(sizes) > 1:
            self._leave_out(candidate, None, reason)
        else:
            for size in sorted(sizes):
                self._leave_out(candidate, size, reason)

    def _leave_out(self, candidate: Candidate, size: int | None, reason: str) -> None:
        self._found.left_out.append(LeftOut(candidate.backend, size, " ".join(reason.split())))


def _file(candidate: Candidate, size: int) -> Path:
    """Return the file that runs batches of a size."""
    return candidate.models[size if size in candidate.models else None].absolute()


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Have an empty directory in the block, and none afterwards."""
    shutil.rmtree(path, ignore_errors=True)
    make_folder(path)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)
