"""The steps of a search that take time, kept in a file as they are done: a search that is run again goes on from there.

A line is added for each step, with a sum of its own: a line that was not written to its end, or was changed since, is not
believed, and its step is done again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import msgspec

from common import cli
from common.files import make_folder, read_bytes, write_text


class Step(msgspec.Struct, frozen=True):
    """What one step found: a figure by name, None for one that is not finite, and the seconds that it took."""

    key: str
    what: str
    figures: dict[str, float | None]
    seconds: float

    @property
    def figure(self) -> float:
        """The largest of the figures; infinite where one is not finite."""
        return max((math.inf if each is None else each for each in self.figures.values()), default=0.0)


class _Line(msgspec.Struct, frozen=True):
    step: Step
    sum: str


class Steps:
    """The steps of a file, by key: what decides their figures."""

    def __init__(self, path: Path) -> None:
        """Read the steps that are stored; what cannot be believed is told on stderr and left out of the file."""
        self.path = path
        self._known: dict[str, Step] = {}
        text = read_bytes(path).decode("utf-8", "replace") if path.exists() else ""
        lines = text.removesuffix("\n").split("\n") if text else []
        good = [line for line in lines if self._read(line)]
        if len(good) < len(lines):
            lost = cli.counted(len(lines) - len(good), "line")
            print(f"{path}: {lost} damaged; what they told is computed again", file=sys.stderr)
        if text and (len(good) < len(lines) or not text.endswith("\n")):
            write_text(path, "".join(f"{line}\n" for line in good))

    def _read(self, line: str) -> bool:
        """Add the step of a line; tell whether there was one that can be believed."""
        try:
            step, told = (found := msgspec.json.decode(line, type=_Line)).step, found.sum
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return False
        if told != _sum(step):
            return False
        self._known[step.key] = step
        return True

    def get(self, key: str, what: str, measure: Callable[[], dict[str, float]]) -> tuple[Step, bool]:
        """Return the step with a key, and whether it was done now: measured, timed and written, if it is not known."""
        if key in self._known:
            return self._known[key], False
        begin = perf_counter()
        found = measure()
        figures = {name: each if math.isfinite(each) else None for name, each in found.items()}
        step = Step(key, what, figures, round(perf_counter() - begin, 3))
        self._add(step)
        return step, True

    def _add(self, step: Step) -> None:
        self._known[step.key] = step
        make_folder(self.path.parent)
        line = msgspec.json.encode(_Line(step, _sum(step))) + b"\n"
        try:
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # of a write, it does not say where
            raise OSError(error.errno, error.strerror, str(self.path)) from error


def _sum(step: Step) -> str:
    return hashlib.sha256(msgspec.json.encode(step)).hexdigest()[:16]


def key_of(**decisive: object) -> str:
    """Return a key of what decides a figure."""
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]
