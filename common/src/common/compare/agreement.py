"""How well a deployed network agrees with torch, and what of that is accepted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from common import cli
from common.compare.differences import as_metrics, check_differences, in_words
from common.engine.task import Outputs, ResultT
from common.errors import GuideError
from common.facts import Facts

LONGEST = 240  # letters of a reason in the last line; all of it stands in metrics.json, and in the error
# Of the results. Rounding alone decides about some: a score beside a threshold, the order of nearly equal ones.
SAME = 0.9
OTHER_CHECKPOINT = "Was the ONNX file exported from this checkpoint?"
# Of the metric with torch's results as the truth, where 1 is nothing lost: the guides accept a drop of 1 %. In a reduced
# precision boxes move beyond limits that decide about them, and seeded weights know no clear cases: bfloat16 leaves 0.94
# of FaceBoxes' AP and 0.43 of EfficientDet's mAP, which asks for overlaps of up to 0.95. FaceBoxes with other
# weights leaves 0.0, and 0.001 where it was given other pictures.
METRIC, REDUCED_METRIC = 0.99, 0.2


@dataclass(frozen=True)
class Agreement(Generic[ResultT]):
    """How well a deployed network agrees with torch, and the whole run with what is recorded of it.

    Attributes:
        facts: the model's.
        largest: the largest difference of each output over all items.
        spread: how much each output changes from item to item; None for a single item.
        deployed: the deployed network's results by key.
        torch: torch's own.
        first: torch's outputs for the first item.
        same: of the results, detections for one, that either side has, the share that both have (intersection over
            union of the sets); None where results are not counted, and where neither side has any.
        counts: how many results torch has, how many the deployed network, how many both.
        precision: the deployed network's.
        squares: the root mean squares of the item with the largest ones, where these are what counts in that precision,
            see `has_stray_values`.
        judges_outputs: whether outputs are judged: not in a reduced precision where they are matched by a function.
        metric: the name and value of the task's metric of the deployed results with torch's as the truth.
        known: what is not as recorded, see `compare.known`; None where that was not looked at.
        seeded: whether the weights are seeded ones.
        others: further figures by name, and what is wrong with them.
    """

    facts: Facts
    largest: tuple[float, ...]
    spread: tuple[float, ...] | None
    deployed: Mapping[str, ResultT]
    torch: Mapping[str, ResultT]
    first: Outputs
    same: float | None
    counts: tuple[int, int, int] | None = None
    precision: str = "float32"
    squares: tuple[float, ...] | None = None
    judges_outputs: bool = True
    metric: tuple[str, float] | None = None
    known: tuple[str, ...] | None = None
    seeded: bool = False
    others: Mapping[str, float] = field(default_factory=dict)
    other_problems: tuple[str, ...] = ()

    def judged(
        self, metric: tuple[str, float], known: tuple[str, ...], *, seeded: bool
    ) -> Agreement[ResultT]:
        """Return it with the metric against torch's results, and with what is not as recorded."""
        return replace(self, metric=metric, known=known, seeded=seeded)

    def with_others(self, others: Mapping[str, float], problems: tuple[str, ...]) -> Agreement[ResultT]:
        """Return it with further figures, and what is wrong with them, which is told first."""
        return replace(self, others=others, other_problems=problems)

    @property
    def accepted_metric(self) -> float:
        """What the metric has to reach."""
        return METRIC if self.precision == "float32" else REDUCED_METRIC

    @property
    def metrics(self) -> dict[str, float | None]:
        """What joins the metrics in metrics.json."""
        counted = {} if self.same is None else {"agreement with torch": self.same}
        return {**counted, **as_metrics(self.facts, self.largest), **self.others}

    @property
    def report(self) -> dict[str, Any]:
        """What metrics.json says of it, under "agreement"."""
        problems = self.problems
        report: dict[str, Any] = {
            "verdict": "FAIL" if problems else "OK",
            "why": problems[0] if problems else None,
        }
        if self.metric:
            name, value = self.metric
            report["metric"] = {
                "name": name,
                "value": value if math.isfinite(value) else None,
                "accepted": self.accepted_metric,
            }
        if self.spread:
            counting = self.squares or self.largest
            shares = (
                one / all_ if all_ else math.inf for one, all_ in zip(counting, self.spread, strict=True)
            )
            report["share of spread"] = {
                tensor.name: share if math.isfinite(share) else None
                for tensor, share in zip(self.facts.outputs, shares, strict=True)
            }
        if self.known is not None:
            report["known answers"] = "; ".join(self.known) or "OK"
        if self.counts:
            report["found"] = dict(zip(("torch", "deployed", "both"), self.counts, strict=True))
        return report | {"same results": self.same}

    @property
    def lines(self) -> list[str]:
        """What is printed of it."""
        lines = [f"agreement with torch on {cli.counted(len(self.torch), 'input')}:"]
        lines += in_words(
            self.facts, self.largest, self.spread, precision=self.precision, squares=self.squares
        )
        judged = "" if self.precision == "float32" else f"; in {self.precision} that is not judged"
        if self.counts:
            by_torch, by_deployed, both = self.counts
            percent = "nothing to compare" if self.same is None else f"{100 * self.same:.2f} %"
            lines.append(
                f"  found: torch {by_torch}, deployed {by_deployed}, the same {both} ({percent}){judged}"
            )
        lines += [f"  {name}: {value:.4f}{judged}" for name, value in self.others.items()]
        if self.metric:
            name, value = self.metric
            lines.append(
                f"  {name} with torch's results as the truth: {value:.4f}, accepted {self.accepted_metric:g}"
            )
        if self.known is not None:
            which = "inputs, outputs, results, figures" if self.seeded else "inputs, results, figures"
            lines.append(f"  known answers ({which}): {'; '.join(self.known) or 'as recorded'}")
        return lines

    @property
    def last_line(self) -> str:
        """The verdict."""
        return last_line(self.facts, self.problems)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong, each in full: outputs, results, metric, known answers.

        That fewer than SAME results are the same counts in float32 only: they are the same by what its rounding leaves.
        """
        found = [*self.other_problems]
        counting = self.squares or self.largest
        try:
            if self.judges_outputs:
                check_differences(
                    self.facts, counting, self._remedy, spread=self.spread, precision=self.precision
                )
        except GuideError as error:
            found.append(str(error))
        if self.precision == "float32" and self.same is not None and self.same < SAME:
            found.append(
                f"{100 * self.same:.1f} % of the detections are the same as torch's, fewer than {100 * SAME:.0f} %. "
                f"{OTHER_CHECKPOINT}"
            )
        if self.metric and not self.metric[1] >= self.accepted_metric:  # also true for NaN
            name, value = self.metric
            found.append(
                f"{name} with torch's results as the truth is {value:.4f}, less than {self.accepted_metric:g}. "
                f"{self._remedy}"
            )
        return (*found, *(self.known or ()))

    @property
    def _remedy(self) -> str:
        """What to look at where outputs or the metric are off."""
        if self.precision == "float32":
            return OTHER_CHECKPOINT
        return f"{OTHER_CHECKPOINT} If so, it loses this in {self.precision}; --precision float32 shows what it has without."

    def check(self) -> None:
        """Refuse what is wrong, see `problems`."""
        if problems := self.problems:
            raise GuideError("\n  ".join(problems))


def last_line(facts: Facts, problems: Sequence[str]) -> str:
    """Return the verdict in one line, with the first sentence of the first of the problems, or its beginning."""
    sentence = problems[0].split("\n")[0].split(". ")[0].rstrip(".") if problems else ""
    reason = sentence if len(sentence) <= LONGEST else f"{sentence[:LONGEST].rstrip()} ..."
    verdict = f"FAIL: {reason}" if problems else "OK"
    return f"{facts.title}: export and deployment agree with torch: {verdict}"
