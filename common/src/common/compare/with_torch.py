"""A deployed network beside torch, on the same items: its outputs, and what the task makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common import cli
from common.backends.base import Backend, fixed_batch, models_of
from common.backends.torch import Torch
from common.compare.agreement import Agreement
from common.compare.differences import Spread, has_stray_values, largest_differences, root_mean_squares
from common.engine.stream import run
from common.engine.task import Array, ContextT, Outputs, ResultT, SourceT, Task
from common.errors import about
from common.facts import Facts
from common.graph.aipp_file import named_aipp
from common.report.metrics_json import RUN
from common.threads import batches
from common.timing import Stopwatch

if TYPE_CHECKING:
    from torch import nn

AT_ONCE = 4  # items whose outputs are held


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
    batch_size: int | None = None,
    watch: Stopwatch | None = None,
) -> Agreement[ResultT]:
    """Run both over all sources and return how well they agree.

    Args:
        task: what comes before and after the network.
        facts: the model's, with the accepted differences.
        folder: the model directory, for its AIPP file.
        deployed: the open network.
        network: the torch network it was exported from.
        sources: the items, by key.
        differences: from the outputs of both for one item to one number per output.
        same: counts the equal parts of two results, of which `len` tells how many there are.
        batch_size: the deployed network's batches; by default its own, or single items.
        watch: the seconds of the deployed network's stages are added to it, those of its own clock as RUN.
    """
    outputs: Task[SourceT, ContextT, tuple[Outputs, ContextT]] = Task(task.prepare, _keep)
    largest, counts = np.zeros(len(facts.outputs)), np.zeros(3, int)
    results: tuple[dict[str, ResultT], dict[str, ResultT]] = ({}, {})
    watch, size = watch or Stopwatch(), batch_size or fixed_batch(deployed) or 1
    first: Outputs = ()
    spread = Spread(len(facts.outputs))
    # Matched by a function of their own, outputs have no squares that say anything.
    is_plain = differences is largest_differences
    squares = np.zeros(len(facts.outputs)) if is_plain and has_stray_values(deployed.precision) else None
    cli.announce(f"comparing with torch on {cli.counted(len(sources), 'input')}")
    with Torch(network, deployed, named_aipp(facts, folder)) as torch:
        # A few items with the one, then with the other: at once, each would want all processors, and hold its memory.
        parts = [*batches(sources.items(), max(AT_ONCE, size))]
        for part in cli.progress(parts, len(parts), "torch", f"{max(AT_ONCE, size)} inputs"):
            begin = watch.clock
            ours = dict(
                run(outputs, models_of(deployed), dict(part), batch_size=size, workers=1, watch=watch)
            )
            watch.add(RUN, watch.clock - begin)
            single = fixed_batch(torch) or 1
            theirs = dict(run(outputs, [torch], dict(part), batch_size=single, workers=1, watch=Stopwatch()))
            for key, (found, context) in ours.items():
                wanted, _ = theirs[key]
                first = first or [output.copy() for output in wanted]
                largest = np.maximum(largest, differences(found, wanted))  # keeps NaN
                if squares is not None:
                    squares = np.maximum(squares, root_mean_squares(found, wanted))
                spread.add(wanted)
                with about(key):
                    results[0][key], results[1][key] = (
                        task.finish(side, context) for side in (found, wanted)
                    )
                if same:
                    result, right = results[0][key], results[1][key]
                    counts += (_count(right), _count(result), same(result, right))
    by_torch, by_deployed, both = counts.tolist()
    either = by_torch + by_deployed - both
    return Agreement(
        facts,
        largest=tuple(largest.tolist()),
        spread=spread.each(),
        deployed=results[0],
        torch=results[1],
        first=first,
        same=both / either if either else None,
        counts=(by_torch, by_deployed, both) if same else None,
        precision=deployed.precision,
        squares=None if squares is None else tuple(squares.tolist()),
        judges_outputs=is_plain or deployed.precision == "float32",
    )


def _keep(outputs: Outputs, context: ContextT) -> tuple[Outputs, ContextT]:
    return outputs, context


def _count(result: Any) -> int:
    return len(result)
