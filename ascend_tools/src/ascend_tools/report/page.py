"""A run's page: one file without outside references, which a browser shows in light and dark, on a phone and on paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ascend_tools.report import plots
from ascend_tools.report.agreement import agreement
from ascend_tools.report.cases import cases
from ascend_tools.report.figures import head
from ascend_tools.report.markup import document, note, pairs, section, table, text
from ascend_tools.report.plots import Look
from ascend_tools.report.read import Run
from common.report import beside, details
from common.report.details import Plot

_MOST_PLOTS = 12


def page(run: Run) -> str:
    """Return the page as HTML; the same run is the same page."""
    report = run.report
    title = (
        f"{report.get('title', report.get('model'))} on {report.get('dataset')}: {beside.verdict(report)[0]}"
    )
    parts = (
        head(report),
        agreement(report),
        _plots(run),
        cases(run.cases),
        f'<div class="two">{_time(report)}{_throughput(report)}</div>',
        _all_figures(report),
        _origin(report),
        _files(run),
    )
    return document(title, parts)


def _plots(run: Run) -> str:
    return curves([(plot, ()) for plot in run.plots])


def curves(found: Sequence[tuple[Plot, Sequence[Look]]], words: str = "") -> str:
    """Return the section of plots and how their lines look, below some words."""
    figures = [_plot(plot, looks) for plot, looks in found[:_MOST_PLOTS]]
    drawn = f'<div class="plots">{"".join(figures)}</div>'
    return section("Curves", note(words), drawn) if figures else ""


def _plot(plot: Plot, looks: Sequence[Look]) -> str:
    try:
        drawn = plots.svg(plot, looks)
    except (ValueError, ArithmeticError) as error:  # numbers that make no plot: the page is more than this
        drawn = note(f"This plot cannot be drawn: {error}")
    return f"<figure><h3>{text(plot.title)}</h3>\n{drawn}<figcaption>{text(plot.note)}</figcaption></figure>"


def _time(report: Mapping[str, Any]) -> str:
    stages = beside.stages(report)
    if not stages:
        return ""
    longest = max([1e-9, *(spent for _, spent in stages)])
    rows = [
        (
            text(name),
            f"{spent:,.3f}",
            f'<td class="bar"><i style="width:{100 * spent / longest:.1f}%"></i></td>',
        )
        for name, spent in stages
    ]
    told = [beside.clock(report)]
    for key, words in beside.MEASURED.items():
        if (value := beside.number(report.get(key))) is not None:
            told.append(f"{words}: {value:,.4g}.")
    return section("Time", table(("stage", "seconds", ""), rows), note(" ".join(told)))


def _throughput(report: Mapping[str, Any]) -> str:
    """Return the documented images per second by batch size."""
    devices, lines = beside.documented(report)
    if not lines:
        return ""
    words = (
        "Images per second and card that the guide documents, of the network alone, without reading pictures."
    )
    rows = [[text(cell) for cell in line] for line in lines]
    return section(
        "Documented throughput",
        note(words),
        table(("batch size", *map(text, devices)), rows, best=len(rows) - 1),
    )


def _all_figures(report: Mapping[str, Any]) -> str:
    return section(
        "All figures",
        note("As metrics.json has them, with every digit."),
        table(
            (),
            (
                (text(name), f'<td class="exact">{text(_exact(value))}</td>')
                for name, value in report["metrics"].items()
            ),
        ),
    )


def _exact(value: object) -> str:
    return beside.NONE if value is None else repr(value)


def _origin(report: Mapping[str, Any]) -> str:
    return section("What made it", pairs(_origins(report)))


def _origins(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("backend", "precision", "batch size", "weights"):
        if report.get(key) is not None:
            yield key, str(report[key])
    for key in ("provenance", "versions"):
        if isinstance(report.get(key), Mapping):
            yield from beside.flat(report[key])


def _files(run: Run) -> str:
    """Return the foot: where the data behind the page are, and what of them could not be read."""
    names = ["metrics.json"]
    names += [
        f"{details.FOLDER}/{name}"
        for name in (details.PLOTS, details.CASES, details.PICTURES)
        if (run.folder / details.FOLDER / name).is_file()
    ]
    problems = "".join(note(problem) for problem in run.problems)
    return f"<footer>Behind this page: {', '.join(f'<code>{text(name)}</code>' for name in names)}.{problems}</footer>"
