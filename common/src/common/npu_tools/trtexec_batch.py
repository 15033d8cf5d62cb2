"""The batch size that a log of trtexec tells: by its inputs, its command line or its options."""

from __future__ import annotations

import re

from common.npu_tools.printouts import size

# Of a network without an axis for the batch, or of an engine that is told one anyway.
_BATCH = re.compile(r"--batch=([0-9]{1,9})(?![0-9])|^batch:\s*([0-9]{1,9})$", re.IGNORECASE)
# What the inputs are bound to; of three axes one cannot tell whether the first is that of the batch.
_BOUND = re.compile(
    r"input binding for \S+ with dimensions ([0-9]{1,9})((?:x[0-9]{1,9}){0,9})(?![0-9x])", re.IGNORECASE
)
_SHAPES = re.compile(r"--shapes=(\S+)|Input inference shape\s*:\s*(\S+)")
_BEST = re.compile(r"--optShapes=(\S+)")  # what runs, too, unless --shapes says otherwise
_LEADING = re.compile(r"[:=]'?\"?([0-9]{1,9})x")


class Batch:
    """What the lines of one run say of its batch size."""

    def __init__(self) -> None:
        self.implicit = False
        self._told: str | None = None
        self._bound: set[str] = set()
        self._shapes: set[str] = set()
        self._best: set[str] = set()

    def note(self, line: str) -> None:
        """Take notice of a line."""
        if told := _BATCH.search(line):
            self._told, self.implicit = told[1] or told[2], True
        for bound in _BOUND.finditer(line):
            if bound[2].count("x") != 2:
                self._bound.add(bound[1])
        for shapes in _SHAPES.finditer(line):
            self._shapes.update(_LEADING.findall(shapes[1] or f"={shapes[2]}"))
        for best in _BEST.finditer(line):
            self._best.update(_LEADING.findall(best[1]))

    @property
    def size(self) -> int | None:
        """The batch size, where all inputs have the same."""
        if self._told:
            return size(self._told)
        said = next((each for each in (self._shapes, self._bound, self._best) if each), set())
        return size(next(iter(said))) if len(said) == 1 else None
