"""A run on sample pictures that ends before anything could be compared."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.compare.agreement import last_line
from common.errors import GuideError
from common.facts import Facts
from common.report.figures import Figures, Origin
from common.report.metrics_json import conclude


@dataclass(frozen=True)
class Ended:
    """In the place of an agreement where the run ended with an error before there was one."""

    facts: Facts
    error: str

    @property
    def metrics(self) -> dict[str, float | None]:
        """What joins the metrics in metrics.json: nothing."""
        return {}

    @property
    def report(self) -> dict[str, Any]:
        """What metrics.json says of it, under "agreement"."""
        return {"verdict": "FAIL", "why": self.error}

    @property
    def lines(self) -> list[str]:
        """What is printed of it: nothing."""
        return []

    @property
    def last_line(self) -> str:
        """The verdict."""
        return last_line(self.facts, [self.error])


@contextlib.contextmanager
def told_last(out: Path, facts: Facts, *, is_sample: bool) -> Iterator[None]:
    """Where a run on sample pictures ends in the block with an error, say it in metrics.json and in the last line, too."""
    try:
        yield
    except GuideError as error:
        if is_sample:
            origin = Origin("sample pictures", None, None, {}, ("the run ended with an error",))
            conclude(out, facts, unscored(0), origin, Ended(facts, str(error)))
        raise


def unscored(count: int) -> Figures:
    """Return the figures of sample pictures that are not scored: what seeded weights find there means nothing."""
    return Figures({}, count, "")
