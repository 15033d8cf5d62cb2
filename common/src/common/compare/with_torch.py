"""A deployed network beside torch, on the same items: its outputs, and what the task makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from common import cli
from common.backends.base import Backend, fixed_batch
from common.backends.torch import Torch
from common.compare.differences import (
    Spread,
    as_metrics,
    check_differences,
    has_stray_values,
    largest_differences,
    print_differences,
    root_mean_squares,
)
from common.engine.stream import run
from common.engine.task import Array, ContextT, Outputs, ResultT, SourceT, Task
from common.errors import GuideError, about
from common.facts import Facts
from common.graph.aipp_file import named_aipp
from common.threads import batches
from common.timing import Stopwatch

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 4  # items whose outputs are held
# Of the results. Rounding alone decides about some: a score beside a threshold, the order of nearly equal ones.
SAME = 0.9
OTHER_CHECKPOINT = "Was the ONNX file exported from this checkpoint?"


@dataclass(frozen=True)
class Agreement(Generic[ResultT]):
    """The largest difference of each output over all items, torch's own results by key, and the share of equal ones.

    `same` are the results, detections for one, that both sides have, of all that either side has (intersection over
    union of the sets); None where results are not counted, and where neither side has any. `spread` is how much each
    output changes from item to item, None for a single item. `precision` is the deployed network's; `squares` are the root
    mean squares of the item with the largest ones, where these are what counts in that precision, see `has_stray_values`.
    """

    facts: Facts
    largest: tuple[float, ...]
    spread: tuple[float, ...] | None
    torch: Mapping[str, ResultT]
    same: float | None
    precision: str = "float32"
    squares: tuple[float, ...] | None = None

    @property
    def metrics(self) -> dict[str, float | None]:
        """What metrics.json says of it."""
        counted = {} if self.same is None else {"agreement with torch": self.same}
        return counted | dict(as_metrics(self.facts, self.largest))

    def check(self) -> None:
        """Refuse an output that is further from torch's than is accepted, and that fewer than SAME results are the same.

        The latter only in float32: results are counted as the same by what its rounding leaves.
        """
        check_differences(
            self.facts,
            self.squares or self.largest,
            OTHER_CHECKPOINT,
            spread=self.spread,
            precision=self.precision,
        )
        if self.precision == "float32" and self.same is not None and self.same < SAME:
            raise GuideError(
                f"{100 * self.same:.1f} % of the detections are the same as torch's, fewer than {100 * SAME:.0f} %. "
                f"{OTHER_CHECKPOINT}"
            )


def with_torch(
    task: Task[SourceT, ContextT, ResultT],
    facts: Facts,
    folder: Path,
    deployed: Backend,
    network: nn.Module,
    sources: Mapping[str, SourceT],
    *,
    differences: Callable[[Outputs, Outputs], Array] = largest_differences,
    same: Callable[[ResultT, ResultT], int] | None = None,
) -> Agreement[ResultT]:
    """Run both over all sources and print how well they agree.

    Args:
        task: what comes before and after the network.
        facts: the model's, with the accepted differences.
        folder: the model directory, for its AIPP file.
        deployed: the open network.
        network: the torch network it was exported from.
        sources: the items, by key.
        differences: from the outputs of both for one item to one number per output.
        same: counts the equal parts of two results, of which `len` tells how many there are.
    """
    outputs: Task[SourceT, ContextT, tuple[Outputs, ContextT]] = Task(task.prepare, _keep)
    largest, counts, results = np.zeros(len(facts.outputs)), np.zeros(3, int), {}
    spread = Spread(len(facts.outputs))
    # Matched by a function of their own, outputs have no squares that say anything.
    is_plain = differences is largest_differences and has_stray_values(deployed.precision)
    squares = np.zeros(len(facts.outputs)) if is_plain else None
    cli.announce(f"comparing with torch on {cli.counted(len(sources), 'input')}")
    with Torch(network, deployed, named_aipp(facts, folder)) as torch:
        # A few items with the one, then with the other: at once, each would want all processors, and hold its memory.
        for part in cli.progress([*batches(sources.items(), AT_ONCE)], -(-len(sources) // AT_ONCE), "torch"):
            ours, theirs = (
                dict(
                    run(
                        outputs, [m], dict(part), batch_size=fixed_batch(m) or 1, workers=1, watch=Stopwatch()
                    )
                )
                for m in (deployed, torch)
            )
            for key, (found, context) in ours.items():
                wanted, _ = theirs[key]
                largest = np.maximum(largest, differences(found, wanted))  # keeps NaN
                if squares is not None:
                    squares = np.maximum(squares, root_mean_squares(found, wanted))
                spread.add(wanted)
                with about(key):
                    result, results[key] = task.finish(found, context), task.finish(wanted, context)
                if same:
                    counts += (_count(results[key]), _count(result), same(result, results[key]))
    print(f"agreement with torch on {cli.counted(len(sources), 'input')}:")
    counting = None if squares is None else tuple(squares.tolist())
    print_differences(facts, largest.tolist(), spread.each(), precision=deployed.precision, squares=counting)
    share = None
    if same:
        by_torch, by_deployed, both = counts.tolist()
        either = by_torch + by_deployed - both
        share = both / either if either else None
        percent = "nothing to compare" if share is None else f"{100 * share:.2f} %"
        judged = "" if deployed.precision == "float32" else f"; in {deployed.precision} that is not judged"
        print(f"  found: torch {by_torch}, deployed {by_deployed}, the same {both} ({percent}){judged}")
    return Agreement(
        facts, tuple(largest.tolist()), spread.each(), results, share, deployed.precision, counting
    )


def _keep(outputs: Outputs, context: ContextT) -> tuple[Outputs, ContextT]:
    return outputs, context


def _count(result: Any) -> int:
    return len(result)
