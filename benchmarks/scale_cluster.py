"""A Ray cluster of two nodes on this machine, and networks on it, for `scale.py`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

from asleep.worker import Asleep
from common.backends.deployed import Runtime
from common.cluster.fleet import Fleet
from common.cluster.options import RAY, Engine
from common.facts import read_facts
from common.threads import cores
from inputs import ROOT

NODES = 2
STORE = 512 * 2**20  # bytes of each node's object store
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AUTH_MODE": "disabled",  # a token of another cluster of this machine does not fit
}


@dataclass(frozen=True)
class Local:
    """A cluster on this machine: its address, and Ray's own processes, workers not among them."""

    address: str
    processes: tuple[int, ...]

    def cpu(self) -> float:
        """Return the CPU seconds that Ray's own processes have taken until now."""
        ticks = 0
        for pid in self.processes:
            words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            ticks += int(words[11]) + int(words[12])
        return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def two_nodes() -> Iterator[Local]:
    """Yield a cluster of two nodes, which have half of the cores each; it ends with the block."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    from ray.cluster_utils import Cluster

    share: Mapping[str, Any] = {"num_cpus": max(1, cores() // NODES), "object_store_memory": STORE}
    cluster = Cluster(shutdown_at_exit=True)
    try:
        for number in range(NODES):
            cluster.add_node(**share, **({} if number else {"include_dashboard": False}))
        started = [
            each for node in cluster.list_all_nodes() for some in node.all_processes.values() for each in some
        ]
        yield Local(str(cluster.address), tuple(each.process.pid for each in started))
    finally:
        cluster.shutdown()


class Sleepers(Fleet):
    """A worker on each node, whose network only waits."""

    worker = Asleep

    def take(self, seconds: float) -> float:
        """Have each batch take as many seconds from now on; return the CPU seconds of all workers until now."""
        import ray

        return float(sum(ray.get([member.actor.take.remote(seconds) for member in self.members])))


@contextmanager
def sleepers(address: str) -> Iterator[Sleepers]:
    """Yield workers whose network only waits, one on each node, all of them ready."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)  # stands for a model directory: its package is sent
        shutil.copytree(Path(__file__).parent / "asleep", folder / "asleep")
        (folder / "requirements.txt").touch()
        facts = read_facts(ROOT / "faceboxes")
        with Sleepers(_model(folder / "model.onnx"), Runtime(), Engine(RAY, address), facts, folder) as fleet:
            wait_for_all(fleet)
            yield fleet


def wait_for_all(fleet: Fleet) -> None:
    """Wait until all workers of a fleet have opened the network."""
    for member in list(fleet.members):
        if not member.opened:
            fleet.was_opened(member.opening)


@contextmanager
def only(fleet: Fleet, count: int) -> Iterator[None]:
    """Leave a fleet that many of its workers for the block."""
    members = fleet.members
    fleet.members = members[:count]
    try:
        yield
    finally:
        fleet.members = members


def _model(path: Path) -> Path:
    """Write an ONNX file that nobody opens."""
    value = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1])
    result = helper.make_tensor_value_info("result", TensorProto.FLOAT, ["N", 1])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["image"], ["result"])], "none", [value], [result]
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), path)
    return path
