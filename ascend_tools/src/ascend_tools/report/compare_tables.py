"""The tables of a comparison's page: differences with their intervals, and what runs say, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ascend_tools.report import runs as of_runs
from ascend_tools.report.bootstrap import Difference
from ascend_tools.report.compare_text import digits
from ascend_tools.report.comparison import Comparison
from ascend_tools.report.markup import note, section, table, text
from ascend_tools.report.runs import Run, rows
from common.report import beside

_WIDTH, _MIDDLE = 190, 11  # of a scale, in pixels
_SCALE = "On the scale: the dot is the difference, the bar its interval, the stroke no difference"
_CLOCKS = (
    "Stages are summed over threads: those that run at once add up to more than the clock shows. By the clock, "
    "run is from the first picture read to the last result stored, total all of it."
)
_WORDS = {"better": "up", "worse": "down"}


def differences(compared: Comparison, accept: float | None) -> str:
    """Return the table of figures of both runs, with the differences and, where it is known, whether they are real."""
    if not compared.figures:
        return ""
    known = {each.figure: each for each in compared.differences}
    ends = [
        end for each in known.values() for end in (each.low, each.high, each.change) if math.isfinite(end)
    ]
    ends += [-accept * first for first, _ in compared.figures.values() if accept is not None and known]
    reach = max(map(abs, ends), default=0.0)
    names = (compared.first.name, compared.run.name, "difference", "95 % of it", "smallest to be seen", "")
    lines = []
    for figure, (first, second) in compared.figures.items():
        found = known.get(figure)
        cells = [beside.share(first), beside.share(second), _signed(second - first)]
        cells += [_interval(found), f"{found.least:.5f}" if found and found.word != "same" else beside.NONE]
        word = found.word if found else beside.NONE
        named = [
            f'<td data-name="{text(name)}">{text(cell)}</td>'
            for name, cell in zip(names, cells, strict=False)
        ]
        named.append(f'<td data-name=""><b class="{_WORDS.get(word, "")}">{text(word)}</b></td>')
        limit = None if accept is None else -accept * max(first, 0.0)
        lines.append([text(figure), *named, _scale(found, reach, limit)])
    return f'<div class="lead several apart">{table(["", *map(text, names), ""], lines)}</div>'


def scale_words(accept: float | None) -> str:
    """Return how to read the scales beside differences, as HTML that is there where they are."""
    more = "; the shaded part is not accepted" if accept is not None else ""
    return f'<p class="note scales">{_SCALE}{more}.</p>'


def _signed(value: float) -> str:
    """Return a difference with its sign; with five decimals, for those of two runs of one network are small."""
    return f"{value:+.5f}".replace("-", "\N{MINUS SIGN}")


def _interval(found: Difference | None) -> str:
    if found is None or not math.isfinite(found.low + found.high):
        return beside.NONE
    return f"{_signed(found.low)} to {_signed(found.high)}"


def _scale(found: Difference | None, reach: float, limit: float | None) -> str:
    """Return a difference with its interval on a scale from -reach to reach, and what is below the accepted limit."""
    if found is None or not reach or not math.isfinite(found.low + found.high):
        return "<td></td>"

    def place(value: float) -> float:
        return round(_WIDTH / 2 + (_WIDTH / 2 - 8) * value / reach, 1)

    strokes = []
    if limit is not None:
        strokes.append(
            f'<rect x="0" y="4" width="{place(limit)}" height="14" fill="var(--bad)" fill-opacity=".14"/>'
        )
    strokes += [
        f'<path d="M0 {_MIDDLE}H{_WIDTH}" stroke="var(--rule)"/>',
        f'<path d="M{place(0)} 2V20" stroke="var(--ink)" stroke-width="1.5"/>',
        f'<path d="M{place(found.low)} {_MIDDLE}H{place(found.high)}" stroke="var(--accent)" stroke-width="4"/>',
        f'<circle cx="{place(found.change)}" cy="{_MIDDLE}" r="4.5" fill="var(--accent)"/>',
    ]
    return (
        f'<td><svg class="scale" viewBox="0 0 {_WIDTH} 22" aria-hidden="true">{"".join(strokes)}</svg></td>'
    )


def settings(runs: Sequence[Run]) -> str:
    """Return the section of what makes the runs others than each other."""
    found = of_runs.settings(runs)
    if not found:
        return section("What differs", note("Nothing that metrics.json tells of."))
    cells = [
        [
            text(name),
            *(
                f'<td class="text" data-name="{text(run.name)}">{text(cell)}</td>'
                for run, cell in zip(runs, values, strict=True)
            ),
        ]
        for name, *values in found
    ]
    return section(
        "What differs", f'<div class="sides">{table(["", *(text(run.name) for run in runs)], cells)}</div>'
    )


def figures(runs: Sequence[Run]) -> str:
    """Return the section of all figures; those that are not the same in all runs stand out."""
    lines = []
    for name, *values in rows(runs, ("images", "metrics")):
        mark = ' class="other"' if len({*values}) > 1 else ""
        lines.append([text(name), *(f"<td{mark}>{text(digits(value))}</td>" for value in values)])
    return section(
        "Figures side by side",
        note("With six digits; those that differ in any are in bold. metrics.json has all digits."),
        table(["", *(text(run.name) for run in runs)], lines),
    )


def times(runs: Sequence[Run]) -> str:
    """Return the section of images per second, memory and stages."""
    whole = rows(runs, tuple(beside.MEASURED))
    lines = [
        [text(beside.MEASURED.get(name, name)), *(text(_grouped(value)) for value in values)]
        for name, *values in whole
    ]
    stages = [dict(beside.stages(run.report)) for run in runs]
    names = dict.fromkeys(name for each in stages for name in each)
    longest = max([1e-9, *(spent for each in stages for spent in each.values())])
    lines += [[f"{text(name)}, s", *(_bar(each.get(name), longest) for each in stages)] for name in names]
    clocks = [name for name in beside.CLOCK if any(_clock(run, name) is not None for run in runs)]
    lines += [[f"{name}, s", *(_seconds(_clock(run, name)) for run in runs)] for name in clocks]
    cells = table(["", *(text(run.name) for run in runs)], lines)
    return section("Time", note(_CLOCKS), f'<div class="times">{cells}</div>') if lines else ""


def _clock(run: Run, name: str) -> float | None:
    spent = run.report.get("seconds")
    return beside.number(spent.get(name)) if isinstance(spent, dict) else None


def _seconds(spent: float | None) -> str:
    return beside.NONE if spent is None else f"{spent:,.3f}"


def _grouped(cell: str) -> str:
    try:
        return f"{float(cell):,.4g}"
    except ValueError:
        return cell


def _bar(spent: float | None, longest: float) -> str:
    if spent is None:
        return f"<td>{beside.NONE}</td>"
    return f'<td class="under">{_seconds(spent)}<i style="width:{100 * spent / longest:.1f}%"></i></td>'
