"""What was measured, and of what."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from common.facts import Accuracy
from common.report.details import Details
from common.report.units import Units


@dataclass(frozen=True)
class Figures:
    """What a metric says of predictions.

    Attributes:
        metrics: numbers by name; NaN or None where there is none.
        pictures: how many pictures they are of.
        counts: how many there are of what else model.toml knows of the published data set.
        names: the pictures' names in the data set, where it names them.
        text: the lines to print.
        files: what else is written for them, text by file name.
        units: what the figures are computed of, for runs to be compared.
        details: returns what a page says beyond them, called once they are written: with what is published, None where
            the figures are not comparable with it, and with how many of the worst cases.
    """

    metrics: Mapping[str, float | None]
    pictures: int
    text: str
    files: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    names: Collection[str] = ()
    details: Callable[[Accuracy | None, int], Details] | None = None
    units: Units | None = None


@dataclass(frozen=True)
class Origin:
    """Where predictions come from.

    Attributes:
        dataset: what the pictures are.
        backend: what ran the network, if that is known.
        precision: in which precision it ran, if that is known.
        seconds: by stage, see `timing.Stopwatch`.
        caveats: each by itself makes the figures others than the published ones.
        weights: the name of the checkpoint's file, or "seeded", where an export was made from it or compared with it.
        provenance: what is known of the files and the code behind them, see `provenance.of_inputs`.
        batch_size: how many pictures the network got per call, if that is known.
    """

    dataset: str
    backend: str | None
    precision: str | None
    seconds: Mapping[str, float]
    caveats: tuple[str, ...] = ()
    weights: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    batch_size: int | None = None
