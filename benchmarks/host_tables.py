"""The verdict on a model's host side, and its figures as tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from stages import BARE, BARE_TO_FILE, WRITE
from timing import table

CORES, TIMES = 8, 5.0  # at most so many cores, at least so many times as fast as the original
NOTHING = 2e-4  # milliseconds: what takes less is left out
_STAGES = ("decode", "prepare", BARE, "finish", "prepare to file", BARE_TO_FILE, WRITE, "finish from file")
_TITLES = {"prepare": "prepare, decoding included", "finish from file": "finish from file, reading included"}
Figures = Mapping[str, Any]


def judge(model: ModuleType, found: Figures) -> dict[str, dict[str, Any]]:
    """Return for each route how two workers scale, the cores that the fastest device needs, and PASS or FAIL.

    The cores are the CPU time of its images, over the share of their cores that two workers use. All stages together
    are the route and the evaluation, against the original's, which goes through files.
    """
    evaluated = evaluation_milliseconds(model, found)
    routes = found["routes"]
    verdicts = {}
    for route, one in routes[1].items():
        two = routes.get(2, {}).get(route)
        # Work that waits for nothing is done twice as much by two; measured beside each, so other programs matter less.
        share = min(1.0, two["per unit"] / one["per unit"]) if two else 1.0
        cores = one["milliseconds"] / 1e3 * model.FASTEST.rate / share
        total = one["milliseconds"] + evaluated
        times = model.ORIGINAL.total / total
        verdicts[route] = {
            "two workers": share,
            "cores": cores,
            "milliseconds": total,
            "original": model.ORIGINAL.total,
            "times": times,
            "pass": cores <= CORES and times >= TIMES,
        }
    return verdicts


def evaluation_milliseconds(model: ModuleType, found: Figures) -> float:
    """Return the CPU milliseconds per image of those steps of the evaluation that the original's figure has."""
    seconds = found["evaluation"][1]["seconds"]
    return 1e3 * sum(seconds[step] for step in model.ORIGINAL.evaluated) / model.PICTURES


def tables(model: ModuleType, found: Figures) -> str:
    """Return all figures of a model."""
    stages = found["stages"]
    height, width = model.SIZE
    picture = f"JPEG of {width}x{height} pixels, {stages['bytes'] / 1000:.1f} kB each"
    fastest = model.FASTEST
    device = f"{fastest.device}, {fastest.rate:.4g} images/s at batch {fastest.batch_size}"
    parts = [
        f"## {model.FACTS.title}",
        f"Each stage alone, one core; {stages['items']} items, {picture}.",
        _stages(model, found),
        "\n".join(f"- original, {stage}: {words}" for stage, words in model.ORIGINAL.words.items()),
        *([_whole(found)] if any(found["whole"].values()) else []),
        f"With a network that takes no time. Fastest device documented: {device}.",
        _routes(found),
    ]
    return "\n\n".join(parts) + "\n"


def _stages(model: ModuleType, found: Figures) -> str:
    spent, threads = found["stages"]["milliseconds"], found["stages"]["two threads"]
    known = model.ORIGINAL.milliseconds
    rows = [["stage", "ms", "images/s", "two threads", "original ms", "times as fast"]]
    for stage in _STAGES:
        if spent[stage] < NOTHING:  # the task takes the outputs as they are
            continue
        scale = f"{threads[stage]:.0%}" if stage in threads else ""
        rows.append(
            [_TITLES.get(stage, stage), *_rate(spent[stage]), scale, *_beside(spent[stage], known.get(stage))]
        )
    for cores, evaluation in found["evaluation"].items():
        on = "" if cores == 1 else f" on {cores} cores"
        each = {step: 1e3 * seconds / model.PICTURES for step, seconds in evaluation["seconds"].items()}
        for step, milliseconds in each.items():
            if milliseconds < NOTHING:
                continue
            rows.append([f"  evaluation{on}, {step}", *_rate(milliseconds), "", "", ""])
        total = sum(each[step] for step in model.ORIGINAL.evaluated)
        words = " + ".join(model.ORIGINAL.evaluated)
        rows.append([f"evaluate{on}: {words}", *_rate(total), "", *_beside(total, known["evaluate"])])
        if "plain" in evaluation:
            plain = 1e3 * evaluation["plain"] / model.PICTURES
            rows.append([f"{evaluation['words']}{on}", *_rate(plain), "", "", ""])
    return table(rows)


def _whole(found: Figures) -> str:
    rows = [["whole data set", "cores", "CPU s", "clock s", "peak GiB", "original CPU s", "times as fast"]]
    rows += [
        [
            each["words"],
            str(cores),
            f"{each['seconds']:.2f}",
            f"{each['clock']:.2f}" if "clock" in each else "",
            f"{each['peak']:.2f}" if "peak" in each else "",
            *_beside(each["seconds"], each["original"]),
        ]
        for cores, steps in found["whole"].items()
        for each in steps
    ]
    return table(rows)


def _routes(found: Figures) -> str:
    head = ["route", "1 worker: images/s", "CPU ms", "2 workers: images/s", "CPU ms", "share of 2x"]
    rows = [[*head, "with evaluation ms", "original ms", "times as fast", "cores", "verdict"]]
    for route, verdict in found["verdicts"].items():
        cells = []
        for workers in (1, 2):
            each = found["routes"].get(workers, {}).get(route)
            cells += [f"{each['rate']:.0f}", f"{each['milliseconds']:.3f}"] if each else ["", ""]
        rows.append(
            [
                route,
                *cells,
                f"{verdict['two workers']:.0%}",
                f"{verdict['milliseconds']:.3f}",
                *_beside(verdict["milliseconds"], verdict["original"]),
                f"{verdict['cores']:.2f}",
                "PASS" if verdict["pass"] else f"FAIL ({_reason(verdict)})",
            ]
        )
    return table(rows)


def _reason(verdict: Figures) -> str:
    wrong = [f"over {CORES} cores"] if verdict["cores"] > CORES else []
    return ", ".join([*wrong, f"under {TIMES:g} times"] if verdict["times"] < TIMES else wrong)


def _rate(milliseconds: float) -> list[str]:
    """Return milliseconds per image, and images per second."""
    return [_digits(milliseconds), f"{1e3 / milliseconds:.0f}"]


def _beside(ours: float, original: float | None) -> list[str]:
    """Return the original's figure, and how many times as fast ours is."""
    return ["", ""] if original is None else [_digits(original), f"{original / ours:.1f}"]


def _digits(value: float) -> str:
    return f"{value:.3f}" if value >= 0.1 else f"{value:.5f}"
