"""Which nodes of a network leave the range of half precision, worst first, and ATC's mixed-precision list from that.

An operator type goes on the list, and so stays in float32, if a magnitude of it leaves the range or comes close: the
inputs are a sample, and a type listed in vain costs time while one left out costs the result. Numbers that only
vanish are reported and put no type on the list: nearly every activation has some, beside larger ones that count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ascend_tools.preflight.half_range import LARGEST, Tally, accumulations, measured, tally
from ascend_tools.preflight.node_by_node import Arrays, NodeByNode, node_name, reads
from common.errors import GuideError
from common.graph.atc_types import ATC_TYPES

Array = NDArray[Any]
Tallies = dict[tuple[int, str, str], Tally]  # by the node's position, the place, and the array's name
KINDS = ("overflow", "close", "vanishing")
_VERBS = {"output": "writes up to", "input": "reads up to", "constant": "holds up to", "sum": "adds up to"}


@dataclass(frozen=True)
class Finding:
    """A place in a node whose numbers leave the range of half precision, at one batch size.

    `place` is "output", "input", "constant", "sum" (what a reduction adds up) or "addend" (of a mean that divides
    before it adds).
    """

    kind: str
    batch_size: int
    node: str
    op_type: str
    place: str
    array: str
    tally: Tally

    @property
    def rank(self) -> tuple[float, ...]:
        """The sorting key, worst first: by kind, then by magnitude, or by how much is lost and how much vanishes."""
        kind, counts = KINDS.index(self.kind), self.tally
        if self.kind == "vanishing":
            return (kind, -counts.share(counts.lost), -counts.share(counts.vanishing))
        return (kind, -counts.largest)

    def words(self) -> str:
        """Say what was found."""
        counts = self.tally
        if self.kind == "vanishing":
            lost = f", {_percent(counts.share(counts.lost))} below 2^-24" if counts.lost else ""
            return f"{self.place} {_percent(counts.share(counts.vanishing))} below 2^-14{lost}"
        return f"{_VERBS[self.place]} {counts.largest:.6g}, {counts.largest / LARGEST:.2f} of the range"


def _percent(share: float) -> str:
    return f"{share:.2%}" if share >= 0.0001 else "<0.01%"


def measure(
    graph: NodeByNode, groups: Iterable[Sequence[Array]], name: str, outputs: Iterable[str]
) -> Tallies:
    """Run batches of images through the network's input `name` and return the tallies of every node.

    Position -1 stands for the input itself. A network output that is not finite in float32 is an error.
    """
    tallies: Tallies = defaultdict(Tally)
    final, suspects = set(outputs), []

    def look(index: int, inputs: Arrays, made: Arrays) -> None:
        for place, array, counts in _places(graph, index, inputs, made):
            tallies[index, place, array] += counts
            if place == "output" and counts.not_finite:
                suspects.append(node_name(graph.nodes[index]))
                if array in final:
                    raise GuideError(
                        f"the output {array!r} holds values that are not finite, in float32; such values appear first "
                        f"at the node {suspects[0]!r}. Mend the model or its inputs, then look at half precision."
                    )

    for group in groups:
        images = np.stack(group)
        if measured(images):
            tallies[-1, "output", name] += tally(images)
        graph.run({name: images}, look)
    if graph.skipped and not any(index >= 0 for index, _, _ in tallies):
        index, why = min(graph.skipped.items())
        raise GuideError(f"no node could be measured; the first is {node_name(graph.nodes[index])!r}: {why}")
    return tallies


def _places(graph: NodeByNode, index: int, inputs: Arrays, made: Arrays) -> Iterator[tuple[str, str, Tally]]:
    """Yield place, array name and tally of what a node makes and adds up."""
    node = graph.nodes[index]
    for array, values in made.items():
        if measured(values):
            yield "output", array, tally(values)
    first = node.input[0] if node.input else ""
    if first in inputs:

        def again(values: Array) -> Array:
            return graph.run_node(index, {**inputs, first: values})[node.output[0]]

        for place, counts in accumulations(node, inputs[first], made[node.output[0]], again):
            yield place, first, counts


def findings(graph: NodeByNode, tallies: Tallies, batch_size: int, margin: float) -> Iterator[Finding]:
    """Yield what leaves the range: overflow, magnitudes within a factor `margin` of it, numbers that vanish.

    What a node reads counts only where it is too large: that it vanishes is told of the node that wrote it.
    """
    for (index, place, array), counts in _with_reads(graph, tallies).items():
        large = place != "addend" and counts.largest * margin > LARGEST
        if index >= 0 and (large or (counts.vanishing and place != "input")):
            node = graph.nodes[index]
            kind = ("overflow" if counts.largest > LARGEST else "close") if large else "vanishing"
            yield Finding(kind, batch_size, node_name(node), node.op_type, place, array, counts)


def _with_reads(graph: NodeByNode, tallies: Tallies) -> Tallies:
    """Add the tallies of the constants that nodes hold, and those of the arrays that they read."""
    known = {array: counts for (_, place, array), counts in tallies.items() if place == "output"}
    constants = {array: tally(values) for array, values in graph.weights if measured(values)}
    found = dict(tallies)
    for index, node in enumerate(graph.nodes):
        for array in reads(node):
            if array in constants:
                found[index, "constant", array] = constants[array]
            elif array in known:
                found[index, "input", array] = known[array]
    return found


def mix_list(found: Iterable[Finding]) -> tuple[list[str], list[str]]:
    """Return ATC's names of the operator types that should stay in float32, and the ONNX types without a known name."""
    types = {finding.op_type for finding in found if finding.kind != "vanishing"}
    return sorted({ATC_TYPES[each] for each in types & set(ATC_TYPES)}), sorted(types - set(ATC_TYPES))


def table(found: Iterable[Finding], rows: int) -> list[str]:
    """Return the findings worst first, one line per place over all batch sizes, and the count of those left out."""
    places: dict[tuple[str, str, str], list[Finding]] = defaultdict(list)
    for finding in sorted(found, key=lambda finding: finding.rank):
        places[finding.node, finding.place, finding.array].append(finding)
    lines = [("finding", "batch", "operator", "what", "node")]
    for worst, *others in places.values():
        sizes = sorted({finding.batch_size for finding in (worst, *others)})
        lines.append((worst.kind, ",".join(map(str, sizes)), worst.op_type, worst.words(), worst.node))
    shown, rest = lines[: rows + 1], len(lines) - rows - 1
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in shown]
    return text + ([f"... and {rest} more"] if rest > 0 else [])
