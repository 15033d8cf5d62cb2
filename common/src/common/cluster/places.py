"""Which machines of a cluster hold the network, and how many times each: a place for each device."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.backends.deployed import Runtime
from common.backends.providers import CPU
from common.errors import GuideError

NPU, GPU, CORES = "NPU", "GPU", "CPU"  # Ray's names of resources
# Ray would let a worker see one device alone, under the number 0.
_ALL_SEEN = {"RAY_EXPERIMENTAL_NOSET_ASCEND_RT_VISIBLE_DEVICES": "1"}


@dataclass(frozen=True)
class Node:
    """A machine of the cluster: Ray's name for it, its address, and what Ray counts of it."""

    id: str
    address: str
    resources: Mapping[str, float] = field(compare=False)


@dataclass(frozen=True)
class Place:
    """Where a worker is to be: its node, the cores that are its share, its NPU's number or None for the one Ray gives it.

    `claims` are what it takes of the node's resources, in Ray's words, and `env` its environment variables.
    """

    node: Node
    cores: int
    device: int | None
    claims: Mapping[str, Any]
    env: Mapping[str, str]


def kind_of(runtime: Runtime, is_om: bool) -> str:
    """Return the resource that a worker needs one of."""
    if is_om or "CANN" in runtime.provider:
        return NPU
    return CORES if runtime.provider == CPU else GPU


def deal(nodes: Sequence[Node], kind: str, devices: Sequence[int], actors: int | None) -> list[Place]:
    """Return the places of workers, those of each node in turn.

    Args:
        nodes: the machines.
        kind: the resource that each worker takes one of; of CPUs it takes its share of the machine's.
        devices: the NPUs' numbers on each machine that has any, as CANN counts them there, which begins at 0 with the first
            one that ASCEND_RT_VISIBLE_DEVICES names, where it is set; empty for those that Ray counts and gives out.
        actors: how many there are to be, None for as many as there are devices; on CPUs for one on each machine.
    """
    most = {node: _most(node, kind, devices) for node in nodes}
    if devices and not any(most.values()):
        most = dict.fromkeys(nodes, len(devices))  # Ray counts no NPU on any machine: its user knows better
    there = sum(most.values())
    wanted = actors or (sum(1 for count in most.values() if count) if kind == CORES else there)
    if not there or wanted > there:
        found = ", ".join(f"{node.address} {count}" for node, count in most.items())
        raise GuideError(
            f"the cluster has not {max(wanted, 1)} of the resource {kind} but {there} ({found}). "
            + _REMEDIES[kind if not there else "more"]
        )
    rounds = itertools.chain.from_iterable(itertools.zip_longest(*([node] * most[node] for node in nodes)))
    chosen = list(itertools.islice(filter(None, rounds), wanted))
    counts = {node: chosen.count(node) for node in nodes}
    numbers = {node: iter(range(wanted)) for node in nodes}
    return [_place(node, kind, devices, counts[node], next(numbers[node])) for node in chosen]


_REMEDIES = {
    NPU: "Tell Ray how many a machine has, ray start --resources '{\"NPU\": 8}', or name them with --device 0,1,2,3.",
    GPU: "Ray counts NVIDIA's GPUs by itself where the driver is installed; ray start --num-gpus N tells it.",
    CORES: "Tell Ray how many a machine has: ray start --num-cpus N.",
    "more": "Lower --actors.",
}


def _most(node: Node, kind: str, devices: Sequence[int]) -> int:
    counted = int(node.resources.get(kind, 0))
    return len(devices) if devices and counted else counted


def _place(node: Node, kind: str, devices: Sequence[int], count: int, number: int) -> Place:
    """Return the place of one of the `count` workers on a node."""
    cores = max(1, int(node.resources.get(CORES, 1)) // count)
    if kind == CORES:
        return Place(node, cores, None, {"num_cpus": cores}, {})
    claims: dict[str, Any] = {"num_cpus": 0}
    if kind == GPU:
        return Place(node, cores, None, {**claims, "num_gpus": 1}, {})
    # Ray may count fewer NPUs than there are: those beyond are taken without asking it.
    if number < node.resources.get(NPU, 0):
        claims["resources"] = {NPU: 1}
    return Place(node, cores, devices[number] if devices else None, claims, _ALL_SEEN if devices else {})
