"""`metrics.json`: what was measured, against what, with what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.facts import Accuracy, Facts
from common.files import write_json, write_text
from common.report.figures import Figures, Origin
from common.report.versions import versions


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
    """Return all that makes figures others than the published ones: where they come from, else their number of pictures."""
    accuracy = facts.accuracy
    if origin.caveats or figures.pictures == accuracy.images:
        return origin.caveats
    return (f"{figures.pictures} of the {accuracy.images} pictures of {accuracy.dataset}",)


def conclude(
    out: Path, facts: Facts, figures: Figures, origin: Origin, more: Mapping[str, float] | None = None
) -> int:
    """Write the figures' files and `OUT/metrics.json`, print the figures and how they compare; return the exit status.

    That is 1 for the verdict FAIL, which only figures on the whole data set can get. `more` joins the metrics.
    """
    caveats = caveats_of(facts, figures, origin)
    # JSON has no NaN.
    metrics = {
        name: None if value is None or math.isnan(value) else value
        for name, value in {**figures.metrics, **(more or {})}.items()
    }
    report: dict[str, Any] = {
        "model": facts.name,
        "dataset": origin.dataset,
        "images": figures.pictures,
        "metrics": metrics,
        "published": facts.accuracy.published,
        "comparable": not caveats,
        **({"why": "; ".join(caveats)} if caveats else {}),
        "verdict": "not comparable" if caveats else verdict(facts.accuracy, metrics),
        "backend": origin.backend,
        "precision": origin.precision,
        "versions": versions(),
        "seconds": {stage: round(spent, 3) for stage, spent in origin.seconds.items()},
    }
    for name, text in figures.files.items():
        write_text(out / name, text)
    write_json(out / "metrics.json", report)
    if caveats:
        print(f"measured on {report['why']}:")
    print(figures.text, end="")
    tools = [f"{package} {version}" for package, version in report["versions"].items()]
    print("measured with " + ", ".join([*filter(None, (origin.backend, origin.precision)), *tools]))
    _print_comparison(facts.accuracy, report)
    print(f"{out / 'metrics.json'}: the figures above, with versions and times")
    return 1 if report["verdict"] == "FAIL" else 0


def _print_comparison(accuracy: Accuracy, report: Mapping[str, Any]) -> None:
    """Print the published figures, how far the measured ones are from them, and the verdict."""
    for name, published in accuracy.published.items():
        print(f"published: {name} {published:g} on {accuracy.dataset} ({accuracy.published_by})")
        measured = report["metrics"].get(name)
        if report["comparable"] and measured is not None:
            difference = measured - published
            print(
                f"difference: {difference:+.5f} absolute, {100 * difference / published:+.3f} % relative; "
                f"a drop of {100 * accuracy.accepted_drop:g} % is accepted"
            )
    if not report["comparable"]:
        print(f"not comparable with the published figure: {report['why']}")
    print(f"verdict: {report['verdict']}")
