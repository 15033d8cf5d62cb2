"""All that a benchmark says: its tables, and in words the reasons, the notes and what was left out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from ascend_tools.benchmark.comparison import Judged, Series, best_ratios, judged, series_of
from ascend_tools.benchmark.measurements import LeftOut
from ascend_tools.benchmark.rows import Row
from ascend_tools.benchmark.table import guide_table, measured_table, rate, ratio
from common import rehearsal
from common.facts import Facts

WIDTH = 120


def page(rows: Sequence[Row], left_out: Sequence[LeftOut], facts: Facts, head: Sequence[str]) -> list[str]:
    """Return all of it: what was measured, the guide's table, and in words the reasons and what was left out."""
    lines = [f"## {facts.title}: throughput", "", *head, ""]
    if rows:
        lines += [*measured_table(rows, facts), "", *wrapped(" ".join(_how_to_read(rows))), ""]
    else:
        lines += ["Nothing was measured.", ""]
    lines += [
        "Images per second and card, as the guide documents them"
        + (", and as measured here:" if rows else ":"),
        "",
    ]
    lines += [*guide_table(rows, facts), ""]
    for title, points in (
        ("", _conclusions(series_of(rows), facts)),
        ("INVALID:", _reasons(rows)),
        ("To know:", _notes(rows)),
        ("Left out:", _left_out(left_out)),
    ):
        told = [line for point in points for line in wrapped(point, "- ")]
        if told:
            lines += [title, ""] if title else []
            lines += [*told, ""]
    return lines[:-1]


def wrapped(text: str, mark: str = "") -> list[str]:
    """Return a paragraph or a point of a list in lines that a terminal shows whole."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=mark,
        subsequent_indent=" " * len(mark),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _how_to_read(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what the columns are."""
    rounds = max(len(row.pure.rounds) for row in rows)
    counted = f"the median of {rounds} rounds" if rounds > 1 else "one round"
    yield (
        f"images/s and ms: pure inference, {counted}; ± is the noise, and two runs on this machine, idle, agree within the sum "
        "of theirs. End to end: from picture files to results, with the stage that limits it."
    )
    if any(row.at_once > 1 for row in rows):
        yield (
            "At once: so many calls share the cores for images/s, as in evaluate.py; ms are of calls one after another, each "
            "on all cores."
        )
    if any(row.card is not None and row.ratios for row in rows):
        yield "/ 310 and so on: images per second and card over those that the guide documents, at the same batch size."


def _conclusions(all_series: Sequence[Series], facts: Facts) -> Iterator[str]:
    """Yield the best batch size of each backend, what the guide asks for, and whether it is reached."""
    for series in all_series:
        found = series.best
        if found is None:
            yield f"{series.name}: no VALID figure, so no best batch size"
        else:
            compared = ", ".join(
                f"{ratio(value)} times {name}" for name, value in best_ratios(series, facts).items()
            )
            yield f"{series.name}: best at batch size {found.batch_size}, {rate(found.rate)} images/s" + (
                f"; best to best {compared}" if compared else ""
            )
    if any(series.rehearsal for series in all_series):
        yield f"{rehearsal.NOTE}; such figures are compared with nothing"
    asked = [each for each in facts.throughput.ratios if each.accepted is not None]
    for each in asked:
        yield f"the guide accepts {each.accepted:g} times {each.to} on {each.of}, best to best"
    if not asked:
        yield "the guide asks for no ratio"
    yield from map(verdict, judged(all_series, facts))


def verdict(found: Judged) -> str:
    """Return in words whether a ratio that the guide asks for is reached."""
    if found.reached is None:
        return f"{found.name}: FAIL, nothing VALID to compare with {found.column}"
    word = "PASS" if found.ok else "FAIL"
    return f"{found.name}: {word}, {found.reached:.4g} times {found.column}, {found.accepted:g} is accepted"


def _reasons(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each INVALID row with all that speaks against it."""
    for row in rows:
        if row.verdict.reasons:
            yield f"{row.name}, batch {row.batch_size}: {'; '.join(row.verdict.reasons)}"


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each note once, after the rows that it is about."""
    places: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        for each in row.verdict.notes:
            places.setdefault(each, {}).setdefault(row.name, []).append(row.batch_size)
    for words, names in places.items():
        where = "; ".join(f"{name}, batch {_listed(sizes)}" for name, sizes in names.items())
        yield f"{where}: {words}"


def _left_out(left_out: Sequence[LeftOut]) -> Iterator[str]:
    """Yield each reason once, after the backends, or a backend's batch sizes, that it is about."""
    places: dict[str, dict[str, list[int]]] = {}
    for each in left_out:
        sizes = places.setdefault(each.reason, {}).setdefault(each.backend, [])
        sizes += [] if each.batch_size is None else [each.batch_size]
    for reason, names in places.items():
        where = (f"{name}, batch {_listed(sizes)}" if sizes else name for name, sizes in names.items())
        yield f"{', '.join(where) if not any(names.values()) else '; '.join(where)}: {reason}"


def _listed(sizes: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(sizes))))
