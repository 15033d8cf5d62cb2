"""What the machines of a cluster have, asked before work is given to them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence

from common.cluster.places import Node
from common.report.versions import installed

_LOOKING = 120  # seconds for a machine to say what it has


def answering(nodes: Sequence[Node], names: Sequence[str]) -> dict[Node, dict[str, str]]:
    """Ask all machines at once for the versions of the packages that they have of these; those that do not answer are left out, with a word on stderr."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = {}
    for node in nodes:
        strategy = NodeAffinitySchedulingStrategy(node.id, soft=False)
        look = ray.remote(installed).options(num_cpus=0, scheduling_strategy=strategy)
        asked[look.remote(names)] = node
    done, _ = ray.wait([*asked], num_returns=len(asked), timeout=_LOOKING)
    found: dict[Node, dict[str, str]] = {}
    for ref in done:
        with contextlib.suppress(ray.exceptions.RayError):
            found[asked[ref]] = ray.get(ref)
    for node in nodes:
        if node not in found:
            print(
                f"WARNING: {node.address} does not answer Ray. It is left out.", file=sys.stderr, flush=True
            )
    return {node: found[node] for node in nodes if node in found}  # in their order
