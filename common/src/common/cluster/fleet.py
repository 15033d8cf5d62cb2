"""A network that is open on the machines of a Ray cluster: finding them, starting workers there, replacing lost ones."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from common import cli
from common.backends import emulation
from common.backends.base import Array
from common.backends.deployed import Runtime
from common.cluster import connect, lost, machines, ship
from common.cluster.options import Engine
from common.cluster.places import Node, Place, deal, kind_of
from common.cluster.remote import Remote
from common.cluster.worker import Opened, Opening, Worker
from common.errors import GuideError
from common.facts import Facts, Tensor
from common.report.emulated import EMULATED

if TYPE_CHECKING:
    from typing_extensions import Self

THREADS = 16  # calls that a worker answers at the same time
_SOON = 30  # seconds after which a user is told what is waited for
OPENING = 900  # seconds for a worker to be ready: Ray may install packages first


@dataclass(eq=False)
class Member:
    """A worker: its place, Ray's handle of it, and what it said when it had opened the network, None until then."""

    place: Place
    actor: Any
    opening: Any
    opened: Opened | None = None

    def __str__(self) -> str:
        host = f"{self.opened.host}, " if self.opened else ""
        return f"the worker on {host}{self.place.node.address}"


class Fleet:
    """A network on each of its workers, as a Backend; many items go through it by `spread.run_on_ray`.

    What it says of itself is what the workers say, which have to agree; one that does not, or has not what it needs, is
    left out, with a word on stderr, as long as another is there.

    Attributes:
        members: the workers that are there, those that still open the network included.
        worker: what runs on the machines; a benchmark has one whose network only waits.
    """

    worker: type[Worker] = Worker

    def __init__(
        self,
        model: Path,
        runtime: Runtime,
        engine: Engine,
        facts: Facts,
        folder: Path,
        optional: Sequence[Tensor] = (),
        *,
        batch_size: int = 1,
        at_once: int = 1,
    ) -> None:
        backend = runtime.backend_of(model)
        if backend == "auto":
            raise GuideError(
                "--backend auto: what it finds on one machine of a cluster is not what it finds on another. Name "
                "onnxruntime or openvino."
            )
        self.engine = engine
        needs = ["requirements", "requirements-openvino"] if backend == "openvino" else ["requirements"]
        self._pins = ship.pins(folder, *needs)
        if runtime.precision == EMULATED:
            # A mistake in a file is told here, by the name that it has here.
            emulation.modes_for(runtime.emulation, facts, folder)
        there = replace(runtime, emulation=runtime.emulation.with_files(Path(ship.OPTIONS)))
        self._opening = Opening(Path(model.name), there, facts, tuple(optional), batch_size, at_once)
        self.members: list[Member] = []
        self._refused: list[str] = []
        self._first: Opened | None = None
        self._cpus: set[str] = set()
        self._lock = threading.RLock()  # of the members, where several threads feed them
        self._most = 0
        self._packages: dict[Node, dict[str, str]] = {}
        cli.announce("connecting to Ray")
        connect.connect(engine.address, model, folder, runtime.emulation.files)
        try:
            self._packages = machines.answering(connect.nodes(), ship.package_names(self._pins))
            nodes = [*self._packages]
            for place in deal(nodes, kind_of(runtime, backend == "om"), runtime.devices, engine.actors):
                self._start(place)
            cli.announce(f"opening the network with {cli.counted(len(self.members), 'actor')}")
            self.wait()
        except BaseException:
            connect.end()
            raise

    @property
    def ready(self) -> list[Member]:
        """The workers that have opened the network."""
        return [member for member in self.members if member.opened]

    @property
    def models(self) -> list[Remote]:
        """The network once for each batch that may be run at the same time, see `base.models_of`."""
        self._most = max(self._most, len(self._calls()))  # what is lost since has worked until then
        return [Remote(self, partial(self.run_on, number)) for number in range(self._most)]

    @property
    def chips(self) -> list[str]:
        """The names of the NPU chips of all machines that the network runs on."""
        by_node = {member.place.node: member.opened.chips for member in self.ready if member.opened}
        return [chip for chips in by_node.values() for chip in chips]

    @property
    def cluster(self) -> dict[str, Any]:
        """How many workers hold the network, on how many machines, for metrics.json."""
        return {"workers": len(self.ready), "machines": len({member.place.node for member in self.ready})}

    def run(self, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch on one of the workers, see `Backend.run`."""
        return self.run_on(0, feeds)

    def run_on(self, number: int, feeds: Mapping[str, Array]) -> list[Array]:
        """Run one batch on a worker by its number; where that is lost, on another."""
        import ray

        for _ in range(lost.TRIES):
            with self._lock:
                self.wait()
                calls = self._calls()
            member = calls[number % len(calls)]
            try:
                outputs: list[Array] = ray.get(member.actor.run.remote(feeds))
            except ray.exceptions.RayError as error:
                with self._lock:
                    self.lose(member, error)
            else:
                return outputs
        raise GuideError(f"workers have ended {lost.TRIES} times on the same batch; see Ray's logs.")

    def lose(self, member: Member, error: Exception) -> None:
        """Say that a worker was lost, and start another in its place; an error of the work itself is raised."""
        reason = lost.reason(member, error)
        if member not in self.members:
            return  # another thread was told before
        self.members.remove(member)
        print(f"{member} was lost: {reason}; its work is given out again", file=sys.stderr, flush=True)
        _kill(member)
        if _is_there(member.place.node):
            self._start(member.place)

    def wait(self) -> None:
        """Wait for the first worker; none is an error that says why."""
        import ray

        while not self.ready:
            pending = [member.opening for member in self.members]
            if not pending:
                why = "; ".join(dict.fromkeys(self._refused)) or "no machine of the cluster is left"
                raise GuideError(f"no worker can run the network: {why}")
            done, _ = ray.wait(pending, timeout=_SOON)
            if not done:
                cli.announce(
                    "Ray installs packages, or others hold what the network needs (see ray status); waiting"
                )
                done, _ = ray.wait(pending, timeout=OPENING)
            if not done:
                raise GuideError(
                    f"no worker was ready within {OPENING} seconds. Others may hold what it needs, see: ray status"
                )
            for ref in done:
                self.was_opened(ref)

    def was_opened(self, ref: Any) -> None:
        """Take what a worker said on opening the network."""
        import ray

        member = next((member for member in self.members if member.opening == ref), None)
        if member is None:
            return  # lost since
        try:
            opened: Opened = ray.get(ref)
            other = ship.different(opened.packages, self._pins)
            if other:
                raise GuideError(f"has {', '.join(other)}")  # installed by Ray, and still another
        except (GuideError, ray.exceptions.RayError) as error:
            if isinstance(error, ray.exceptions.RayActorError) and not _is_there(member.place.node):
                self.members.remove(member)  # which was told of another worker, or is if none is left
            else:
                self._refuse(member, error)
            return
        first = self._first or opened
        if (opened.name, opened.precision, opened.identity) != (first.name, first.precision, first.identity):
            self._refuse(member, GuideError(f"runs the network by {opened.name}, others by {first.name}"))
            return
        if self._first is None:
            self._first = opened
            self._describe(opened)
        if opened.name == "onnxruntime" and opened.cpu not in self._cpus | {first.cpu}:
            print(
                f"note: {opened.host} has {opened.cpu}, {first.host} {first.cpu}: results can differ in the last digits",
                file=sys.stderr,
            )
        self._cpus.add(opened.cpu)
        member.opened = opened

    def _describe(self, opened: Opened) -> None:
        self.name, self.precision, self.identity = opened.name, opened.precision, opened.identity
        self.inputs, self.outputs, self.emulation = opened.inputs, opened.outputs, opened.emulation

    def _refuse(self, member: Member, error: Exception) -> None:
        """Leave a worker out that cannot run the network, and say so."""
        self.members.remove(member)
        _kill(member)
        try:
            why = f"{member}: {lost.sentence(lost.reason(member, error))}"
        except GuideError as told:
            why = str(told)
        if why not in self._refused:
            self._refused.append(why)
            if self.members:
                print(f"WARNING: {why} It is left out.", file=sys.stderr, flush=True)

    def _start(self, place: Place) -> None:
        """Start a worker, and have it open the network."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        env: dict[str, Any] = {"env_vars": dict(place.env)}
        if ship.lacks(self._packages[place.node], self._pins):
            env["pip"] = self._pins
        actor = (
            ray.remote(self.worker)
            .options(
                **place.claims,
                max_concurrency=THREADS,
                scheduling_strategy=NodeAffinitySchedulingStrategy(place.node.id, soft=False),
                runtime_env=env,
            )
            .remote(self._opening, place.cores, place.device)
        )
        self.members.append(Member(place, actor, actor.open.remote()))

    def _calls(self) -> list[Member]:
        return [member for member in self.ready for _ in range(member.opened.calls if member.opened else 0)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the workers and leave the cluster."""
        for member in self.members:
            _kill(member)
        connect.end()


def _is_there(node: Node) -> bool:
    return node in connect.nodes()


def _kill(member: Member) -> None:
    import ray

    with contextlib.suppress(ray.exceptions.RayError):  # it is gone already
        ray.kill(member.actor)
