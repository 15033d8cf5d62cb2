"""`metrics.json`: what was measured, against what, with what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.facts import Accuracy, Facts
from common.files import write_json
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


def why_not_whole(accuracy: Accuracy, images: int) -> str | None:
    """Return what makes a figure on so many images another one than the published, or None if nothing does."""
    if images == accuracy.images:
        return None
    return f"{images} of the {accuracy.images} pictures of {accuracy.dataset}"


def write_metrics(
    out: Path,
    model: Facts,
    *,
    dataset: str,
    images: int,
    metrics: Mapping[str, float | None],
    why_not_comparable: str | None,
    backend: str | None,
    precision: str | None,
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """Write `OUT/metrics.json`, print the comparison with the published figure, and return the contents.

    `why_not_comparable` is None only for a metric on the whole data set; otherwise it says what was measured
    instead, and no verdict is given.
    """
    accuracy = model.accuracy
    comparable = why_not_comparable is None
    # JSON has no NaN.
    figures = {name: None if value is None or math.isnan(value) else value for name, value in metrics.items()}
    report: dict[str, Any] = {
        "model": model.name,
        "dataset": dataset,
        "images": images,
        "metrics": figures,
        "published": accuracy.published,
        "comparable": comparable,
        **({} if comparable else {"why": why_not_comparable}),
        "verdict": verdict(accuracy, figures) if comparable else "not comparable",
        "backend": backend,
        "precision": precision,
        "versions": versions(),
        "seconds": {stage: round(spent, 3) for stage, spent in seconds.items()},
    }
    write_json(out / "metrics.json", report)
    tools = [f"{package} {version}" for package, version in report["versions"].items()]
    print("measured with " + ", ".join([*filter(None, (backend, precision)), *tools]))
    print_comparison(accuracy, report)
    print(f"{out / 'metrics.json'}: the figures above, with versions and times")
    return report


def print_comparison(accuracy: Accuracy, report: Mapping[str, Any]) -> None:
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
