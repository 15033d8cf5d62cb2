"""`metrics.json`: what was measured, against what, with what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from common import alone, rehearsal, screen
from common.facts import Accuracy, Facts
from common.files import json_text, write_json, write_text
from common.report import page, provenance, units
from common.report.dataset import differences
from common.report.details import WORST
from common.report.emulated import label
from common.report.figures import Figures, Origin
from common.report.versions import versions

FILE = "metrics.json"
RUN = "run"  # the stage whose seconds are the clock's, from the first picture read to the last result stored
_FIGURES = "the figures, with versions, times and what they were made from"


class Agreement(Protocol):
    """How well a deployed network agrees with torch on sample pictures, see `compare.agreement.Agreement`."""

    @property
    def metrics(self) -> Mapping[str, float | None]:
        """What joins the metrics."""

    @property
    def report(self) -> Mapping[str, Any]:
        """What metrics.json says of it; its "verdict" is OK or FAIL."""

    @property
    def lines(self) -> Sequence[str]:
        """What is printed of it where it fails."""

    @property
    def last_line(self) -> str:
        """What is printed last."""


def verdict(accuracy: Accuracy, metrics: Mapping[str, float | None]) -> str:
    """Return PASS if no metric dropped from its published figure by more than the accepted share of it, else FAIL.

    The guides accept 1 %. A figure above the published one passes; one that is missing or NaN fails.
    """
    held = (
        (measured := metrics.get(name)) is not None
        and published - measured <= accuracy.accepted_drop * published
        for name, published in accuracy.published.items()
    )
    return "PASS" if all(held) else "FAIL"


def caveats_of(facts: Facts, figures: Figures, origin: Origin) -> tuple[str, ...]:
    """Return all that makes figures others than the published ones: where they come from, else what was measured.

    A rehearsal is told in any case.
    """
    rehearsed = (origin.backend or "").endswith(rehearsal.SUFFIX)
    return (*(origin.caveats or differences(facts.accuracy, figures)), *([rehearsal.CAVEAT] * rehearsed))


def begin(out: Path) -> None:
    """Make `out` ready for new predictions: the figures of earlier ones go first, and other runs wait for their turn."""
    alone.take(out)
    (out / FILE).unlink(missing_ok=True)
    units.remove(out)
    page.remove(out)


def conclude(
    out: Path,
    facts: Facts,
    figures: Figures,
    origin: Origin,
    agreement: Agreement | None = None,
    *,
    worst: int = WORST,
) -> int:
    """Write the figures' files and `OUT/metrics.json`, print the figures and how they compare; return the exit status.

    That is 1 for the verdict FAIL, which only figures on the whole data set can get, and for an `agreement` that fails;
    this is what a run on sample pictures is judged by, and its verdict is the last line. Of the `worst` cases the
    report shows so many of each kind.
    """
    caveats, upstream = caveats_of(facts, figures, origin), facts.accuracy.upstream
    running = origin.seconds.get(RUN)
    # JSON has neither NaN nor infinity.
    metrics = {
        name: None if value is None or not math.isfinite(value) else value
        for name, value in {**figures.metrics, **(agreement.metrics if agreement else {})}.items()
    }
    report: dict[str, Any] = {
        "model": facts.name,
        "title": facts.title,
        "dataset": origin.dataset,
        "images": figures.pictures,
        "metrics": metrics,
        "published": facts.accuracy.published,
        "published_by": facts.accuracy.published_by,
        **({"upstream": upstream.figures, "upstream_by": upstream.by} if upstream else {}),
        "npu": facts.accuracy.npu,
        "accepted_drop": facts.accuracy.accepted_drop,
        "documented images/s": facts.throughput.cards,
        "comparable": not caveats,
        **({"why": "; ".join(caveats)} if caveats else {}),
        "verdict": "not comparable" if caveats else verdict(facts.accuracy, metrics),
        **({"agreement": agreement.report} if agreement else {}),
        **({"weights": origin.weights} if origin.weights else {}),
        "backend": origin.backend,
        "precision": origin.precision,
        "batch size": origin.batch_size,
        "versions": versions(),
        "seconds": {stage: round(spent, 3) for stage, spent in origin.seconds.items()},
        "images/s": round(figures.pictures / running, 3) if running else None,
        "peak memory in MiB": provenance.peak_memory(),
        "provenance": {**provenance.of_run(), **origin.provenance},
    }
    begin(out)
    for name, text in figures.files.items():
        write_text(out / name, text)
    write_json(out / FILE, report)
    screen.figures(json_text(report))
    published = None if caveats else facts.accuracy
    more = figures.details and partial(figures.details, published, worst)
    told = page.make(out, report, figures.units, more)
    if agreement:
        return _print_agreement(out, figures, origin, agreement, told)
    if caveats:
        print(f"measured on {report['why']}:")
    print(figures.text, end="")
    how = (origin.backend or "an unknown backend", origin.precision or "unknown precision")
    print("measured with " + ", ".join(how))
    _print_comparison(facts.accuracy, report)
    print(f"{out / FILE}: {_FIGURES}")
    print(told)
    screen.last(_last_line(report))
    return 1 if report["verdict"] == "FAIL" else 0


def _print_agreement(out: Path, figures: Figures, origin: Origin, agreement: Agreement, told: str) -> int:
    """Print what a run on sample pictures says, its verdict last; return the exit status.

    What was compared stands in the report; here only where it fails.
    """
    failed = agreement.report["verdict"] == "FAIL"
    if figures.text:
        print(f"{origin.dataset}, against their annotations:")
        print(figures.text, end="")
    for line in agreement.lines if failed else ():
        print(line)
    print(f"{out / FILE}: {_FIGURES}")
    print(told)
    screen.last(f"{agreement.last_line}{label(origin.precision)}")
    return 1 if failed else 0


def _print_comparison(accuracy: Accuracy, report: Mapping[str, Any]) -> None:
    """Print the measured figures beside the published ones, all as shares from 0 to 1, and what is accepted."""
    print(f"published: on {accuracy.dataset} ({accuracy.published_by})")
    print(f"  {'':12}{'measured':>10}{'published':>11}{'difference':>12}")
    _print_rows(accuracy.published, report)
    if accuracy.upstream:
        print(f"also published: on {accuracy.dataset} ({accuracy.upstream.by})")
        _print_rows(accuracy.upstream.figures, report)
    if report["comparable"]:
        which = ", the first," if accuracy.upstream else ""
        print(f"a drop of {100 * accuracy.accepted_drop:g} % of the published figure{which} is accepted")


def _last_line(report: Mapping[str, Any]) -> str:
    """Return the verdict with the figures that it is about, or with why there is none."""
    if not report["comparable"]:
        return f"verdict: {report['verdict']} ({report['why']}{label(report['precision'])})"
    found = (
        f"{name} {'-' if (measured := report['metrics'].get(name)) is None else f'{measured:.4f}'}, published {published:.4f}"
        for name, published in report["published"].items()
    )
    return f"verdict: {report['verdict']} ({'; '.join(found)}{label(report['precision'])})"


def _print_rows(figures: Mapping[str, float], report: Mapping[str, Any]) -> None:
    """Print what was measured beside each of the figures, with the difference where they can be compared."""
    for name, published in figures.items():
        measured = report["metrics"].get(name)
        columns = [f"{measured:10.4f}" if measured is not None else f"{'-':>10}", f"{published:11.4f}"]
        if report["comparable"] and measured is not None:
            difference = measured - published
            columns.append(f"{difference:+12.4f} ({100 * difference / published:+.2f} % of it)")
        print(f"  {name:12}{''.join(columns)}")
