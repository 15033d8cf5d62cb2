"""A data set's evaluation at its full size: CPU seconds of its steps, of a yardstick, and of what is done with all of it."""

from __future__ import annotations

import importlib
import time
from pathlib import Path
from typing import Any

from evaluations.steps import Steps
from inputs import load
from timing import command_cost, cpu_seconds, isolated, pin

SHORT = 4.0  # CPU seconds: what takes less is done more than once


def make(name: str, folder: Path) -> None:
    """Write annotations and predictions of the data set's size."""
    importlib.import_module(f"evaluations.{name}").make(folder, 1)


def measure_evaluation(name: str, folder: Path, cores: int) -> dict[str, Any]:
    """Return the CPU seconds of the evaluation's steps on so many cores, and those of its yardstick with its words."""
    pin(cores)
    evaluate = importlib.import_module(f"evaluations.{name}").evaluate
    seconds: dict[str, float] = {}
    for _ in range(3):
        steps = Steps()
        evaluate(folder, steps)
        for step, cost in steps.spent.items():
            seconds[step] = min(seconds.get(step, cost["cpu"]), cost["cpu"])
        if sum(seconds.values()) > SHORT:
            break
    plain = load(name).plain_evaluation(folder)
    if plain is None:
        return {"seconds": seconds}
    return {
        "seconds": seconds,
        "plain": cpu_seconds(plain.run, repeats=1) / plain.share,
        "words": plain.words,
    }


def measure_whole(name: str, folder: Path, cores: int) -> list[dict[str, Any]]:
    """Return what else is done with a whole data set, on so many cores.

    Of each: its words, CPU seconds, the original's, seconds by the clock of a function, the peak in GiB of a command.
    """
    pin(cores)
    model = load(name)
    known: dict[tuple[str, ...], dict[str, float]] = {}
    rows = []
    for each in model.whole(folder):
        if each.run is None:
            key = tuple(each.command)
            if key not in known:
                # From a small process: the peak of the one that starts it counts as the command's.
                seconds, peak = isolated(command_cost, each.command, model.FOLDER)
                known[key] = {"seconds": seconds, "peak": peak}
            cost = known[key]
        else:
            each.run()  # imports what it needs
            start = time.perf_counter()
            seconds = cpu_seconds(each.run, repeats=3)
            cost = {"seconds": seconds, "clock": (time.perf_counter() - start) / 3}
        rows.append({"words": each.words, "original": each.original, **cost})
    return rows
