"""Where a network runs: in this process, or on the machines of a Ray cluster."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from dataclasses import dataclass

from common import cli
from common.errors import GuideError

LOCAL, RAY = ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Engine:
    """What the arguments of `add_engine` say: `address`, `actors` and `send_pictures` are for Ray."""

    name: str = LOCAL
    address: str | None = None
    actors: int | None = None
    send_pictures: bool = False

    @property
    def is_ray(self) -> bool:
        """Whether the network runs on a cluster."""
        return self.name == RAY


def add_engine(arguments: argparse.ArgumentParser) -> None:
    """Add `--engine`, `--address`, `--actors` and `--send-pictures`, see `chosen_engine`."""
    add = arguments.add_argument
    add(
        "--engine",
        choices=ENGINES,
        default=LOCAL,
        help="Where the network runs: local in this process, ray on all machines of a Ray cluster, with the same results "
        "(default: %(default)s).",
    )
    add(
        "--address",
        metavar="A",
        help="With --engine ray: the cluster, as HOST:PORT or auto (default: the one that RAY_ADDRESS names, else the one "
        "that runs on this machine, else one is started for this run, of this machine alone).",
    )
    add(
        "--actors",
        type=cli.positive_int,
        metavar="N",
        help="With --engine ray: how many processes hold the network (default: one for each NPU or GPU of the cluster; on "
        "CPUs one for each machine, which uses all its cores).",
    )
    add(
        "--send-pictures",
        action="store_true",
        help="With --engine ray: send the pictures to the machines. Without it each reads them itself, from storage that "
        "all see under the same path.",
    )


def chosen_engine(options: argparse.Namespace) -> Engine:
    """Return what the arguments of `add_engine` say; where Ray is asked for and not installed, tell it at once."""
    found = Engine(options.engine, options.address, options.actors, options.send_pictures)
    if not found.is_ray:
        if found != Engine():
            raise GuideError("--address, --actors and --send-pictures are for --engine ray; leave them out.")
        return found
    if importlib.util.find_spec("ray") is None:
        raise GuideError(
            f"{sys.prefix}: --engine ray needs the package ray, which is not installed there: "
            "pip install -r requirements-ray.txt"
        )
    if (found.address or "").startswith("ray://"):
        raise GuideError(
            f"--address {found.address}: a client's address. Run this command on a machine of the cluster, with "
            "--address auto."
        )
    return found
