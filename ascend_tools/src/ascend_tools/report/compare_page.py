"""The page of a comparison: whether runs differ by more than chance, in what they differ, their curves, and what flipped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ascend_tools.report import bootstrap
from ascend_tools.report.bootstrap import Difference
from ascend_tools.report.compare_files import FLIPS, JSON
from ascend_tools.report.compare_flips import flips
from ascend_tools.report.compare_tables import differences, figures, scale_words, settings, times
from ascend_tools.report.comparison import Comparison
from ascend_tools.report.markup import document, note, section, text
from ascend_tools.report.overlay import Curves, overlaid
from ascend_tools.report.page import curves
from ascend_tools.report.read import with_details
from ascend_tools.report.runs import Run, plural
from common.report import beside

_FEW = 2  # figures whose values the verdict names
_COLOURS = {"better": " good", "no difference": " good", "OK": " good", "worse": " bad", "FAIL": " bad"}


def page(runs: Sequence[Run], compared: Sequence[Comparison], accept: float | None) -> str:
    """Return the page as HTML; the same runs are the same page."""
    details = [with_details(run.path.parent, run.report) for run in runs]
    report = runs[0].report
    what = f"{report.get('title', report.get('model'))} on {report.get('dataset')}"
    title = f"{what}: {compared[0].title}" if len(compared) == 1 else f"{what}: {len(runs)} runs"
    own = [Curves(run.name, each.plots) for run, each in zip(runs, details, strict=True)]
    cases = {run.name: each.cases.cases for run, each in zip(runs, details, strict=True)}
    laid = overlaid(own)
    words = "The runs laid over one another, the first as a solid line." if laid else ""
    return document(
        title,
        (
            _head(title, runs, compared, accept),
            _real(compared, accept),
            settings(runs),
            figures(runs),
            curves(laid, words),
            times(runs),
            flips(compared, cases),
            _foot(runs, [problem for each in details for problem in each.problems]),
        ),
    )


def _head(title: str, runs: Sequence[Run], compared: Sequence[Comparison], accept: float | None) -> str:
    verdicts = "\n".join(_verdict(each, accept, named=len(compared) > 1) for each in compared)
    return "\n".join(
        (
            "<header>",
            f'<p class="eyebrow">{text(f"Comparison of {len(runs)} runs")}</p>',
            f"<h1>{text(title)}</h1>",
            verdicts,
            _caveats(runs),
            "</header>",
        )
    )


def _verdict(compared: Comparison, accept: float | None, *, named: bool) -> str:
    """Return what a comparison says: accepted or not, where something is accepted, else better, worse or undecided."""
    word = compared.word if accept is None else "FAIL" if compared.fails(accept) else "OK"
    told = f"{compared.title}: " if named else ""
    words = compared.verdict(accept)
    if compared.differences:
        words = _changes(compared.differences)
        words += "" if accept is None else f". {_capital(compared.accepted(accept, intervals=False))}"
    elif accept is None and not compared.unlike:
        words = "The figures alone stand side by side"
    badge = f'<p class="verdict{_COLOURS.get(word, "")}"><b>{text(word)}</b><span>{text(told)}'
    return f"{badge}{text(words)}.</span></p>"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _changes(found: Sequence[Difference]) -> str:
    """Return what became of each figure, with the figures themselves where they are few."""
    if len(found) <= _FEW:
        told = (
            f"{each.figure} {beside.share(each.first)} to {beside.share(each.second)}, {each.word}"
            for each in found
        )
        return "; ".join(told)
    words = dict.fromkeys(each.word for each in found)
    return "; ".join(
        f"{word}: {', '.join(each.figure for each in found if each.word == word)}" for word in words
    )


def _caveats(runs: Sequence[Run]) -> str:
    """Return that the figures are none that can be compared with published ones, where that is so of any run."""
    whys = dict.fromkeys(
        str(run.report["why"])
        for run in runs
        if not beside.is_comparable(run.report) and run.report.get("why")
    )
    return f'<div class="caveats"><p>Measured on {text("; ".join(whys))}.</p></div>' if whys else ""


def _real(compared: Sequence[Comparison], accept: float | None) -> str:
    parts = [part for each in compared for part in _difference(each, accept, named=len(compared) > 1)]
    units = next((each.first.units for each in compared if each.differences), None)
    words = note(_how(plural(units))) + scale_words(accept) if units else ""
    return section("Is the difference real?", words, *parts)


def _how(units: str) -> str:
    return (
        f"The interval holds the middle 95 % of the difference in {bootstrap.DRAWS:,} draws of as many {units} as there are, with "
        "replacement, the same for both runs. A difference is called better or worse where it leaves out 0. What is smaller than half "
        f"its width these {units} cannot show."
    )


def _difference(compared: Comparison, accept: float | None, *, named: bool) -> Iterator[str]:
    if named:
        yield f"<h3>{text(compared.title)}</h3>"
    if compared.problem:
        words = "Not of the same data" if compared.unlike else "Without an interval"
        yield note(f"{words}: {compared.problem.rstrip('.')}.")
    yield differences(compared, accept)


def _foot(runs: Sequence[Run], problems: Sequence[str]) -> str:
    named = ", ".join(f"{text(run.name)} <code>{text(run.path)}</code>" for run in runs)
    told = "".join(map(note, problems))
    return f"<footer>Behind this page: {named}; beside it <code>{JSON}</code> and <code>{FLIPS}</code>.{told}</footer>"
