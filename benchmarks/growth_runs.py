"""Processes of `growth.py` and what they tell: made-up data sets of several sizes, each evaluated in its own process."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.kernel import memory_left

CHILD = Path(__file__).with_name("growth_child.py")
SHORT = 5.0  # CPU seconds: what takes less is done three times
SPARE = (
    2**29
)  # bytes beside the data: Python, its packages, what the evaluation makes of one part of the data
MARGIN = 1.15


@dataclass(frozen=True)
class Run:
    """What the evaluation of a data set `times` as large took.

    `steps` has CPU and clock seconds of each; `before` is what the process held before the first one, `data` what the
    data take when they have been read, and `peak` the most that it held: bytes.
    """

    times: int
    sizes: Mapping[str, int]
    steps: Mapping[str, Mapping[str, float]]
    before: int
    data: int
    peak: int

    @property
    def cpu(self) -> float:
        """CPU seconds of the evaluation; making data up is no part of it."""
        return self._sum("cpu")

    @property
    def clock(self) -> float:
        """Seconds of the evaluation by the clock."""
        return self._sum("wall")

    def _sum(self, kind: str) -> float:
        return sum(cost[kind] for name, cost in self.steps.items() if not name.startswith("make"))


@dataclass
class Growth:
    """The runs of one model by ascending size, and why others were left out."""

    model: str
    runs: list[Run] = field(default_factory=list)
    left_out: dict[int, str] = field(default_factory=dict)

    def exponent(self, values: Sequence[float]) -> float | None:
        """Return how a value grows from the first run to the last: as size to the power of this; None of one run."""
        if len(self.runs) < 2 or min(values) <= 0:
            return None
        return math.log(values[-1] / values[0]) / math.log(self.runs[-1].times / self.runs[0].times)


def measure(model: str, sizes: Sequence[int], limit: float) -> Growth:
    """Evaluate a model's data set at several sizes, each in processes of their own of at most `limit` seconds."""
    growth = Growth(model)
    for times in sorted(sizes):
        found = importlib.import_module(f"evaluations.{model}").sizes(times)
        needed, left = _needed(found.get("bytes", 0), times, growth.runs), memory_left()
        if left is not None and needed > left:
            growth.left_out[times] = f"some {_gib(needed)} of memory are needed, {_gib(left)} are free"
            continue
        try:
            growth.runs.append(_measure(model, times, found, limit))
        except subprocess.TimeoutExpired:
            growth.left_out[times] = f"it was not done after {limit:g} s"
        except subprocess.CalledProcessError as error:
            growth.left_out[times] = (
                f"it ended with exit status {error.returncode}: {_last_line(error.stderr)}"
            )
    return growth


def _needed(data: int, times: int, runs: Sequence[Run]) -> float:
    """Return the bytes that a run is going to take: its data and what must be beside them, or what the last run tells."""
    known = MARGIN * data + SPARE
    return max(known, *(MARGIN * run.peak * times / run.times for run in runs[-1:])) if runs else known


def _measure(model: str, times: int, sizes: Mapping[str, int], limit: float) -> Run:
    """Make the data up, evaluate them, if that is short three times, and keep of each step the least seconds."""
    with tempfile.TemporaryDirectory() as folder:
        work, out = Path(folder) / "data", Path(folder) / "found.json"
        work.mkdir()
        end = time.monotonic() + limit
        _run("make", model, times, work, out, limit)
        done: list[dict[str, Any]] = []
        while not done or (len(done) < 3 and done[0]["cpu"] < SHORT):
            _run("evaluate", model, times, work, out, end - time.monotonic())
            found = json.loads(out.read_text(encoding="utf-8"))
            done.append({**found, "cpu": sum(cost["cpu"] for cost in found["steps"].values())})
    steps = {
        name: {kind: min(each["steps"][name][kind] for each in done) for kind in ("cpu", "wall")}
        for name in done[0]["steps"]
    }
    last = done[-1]
    ready = [name for name in steps if name.startswith(("read", "make"))][-1]
    return Run(
        times=times,
        sizes={name: value for name, value in sizes.items() if name != "bytes"},
        steps=steps,
        before=last["before"],
        data=max(0, int(last["steps"][ready]["held"]) - last["before"]),
        peak=max(each["peak"] for each in done),
    )


def _run(what: str, model: str, times: int, work: Path, out: Path, limit: float) -> None:
    words = [sys.executable, str(CHILD), what, model, str(times), str(work), str(out)]
    subprocess.run(
        words,
        check=True,
        timeout=max(limit, 1),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=CHILD.parent,
    )


def _gib(count: float) -> str:
    return f"{count / 2**30:.1f} GiB"


def _last_line(text: str | None) -> str:
    lines = (text or "").strip().split("\n")
    return lines[-1] or "without a word"
