"""Connecting to a Ray cluster, or starting one on this machine alone, and telling which machines it has."""

from __future__ import annotations

import logging
import os
import re
import socket
import tempfile
from pathlib import Path

from common.cluster import ship
from common.cluster.places import Node
from common.errors import GuideError

_ANSWER = 5.0  # seconds for a cluster's head to take a connection; Ray itself would try for many minutes
_WORDS = 400  # of Ray's own words
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # of a lost worker we tell ourselves
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def connect(address: str | None, model: Path, folder: Path) -> None:
    """Connect to a cluster, and give it the code and the model.

    Args:
        address: HOST:PORT, "auto" for the cluster of this machine; None for the one that RAY_ADDRESS names, else that of
            this machine, else one that is started, and ends with this process.
        model: the ONNX or OM file.
        folder: the model directory.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    with tempfile.TemporaryDirectory() as staging:
        env = ship.runtime_env(model, folder, Path(staging))
        found = _address(address)
        try:
            ray.init(
                address=found,
                runtime_env=env,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({"include_dashboard": False} if found == "local" else {}),
            )
        except (ConnectionError, ValueError) as error:
            raise _no_answer(found, str(error)) from None
        except RuntimeError as error:
            ray.shutdown()
            if "Version mismatch" in str(error):
                raise GuideError(
                    f"the cluster has another Ray or Python than this command: {_short(str(error))}"
                ) from None
            raise GuideError(
                f"Ray did not take the code and the model: {_short(str(error))} A larger model needs a higher limit: "
                "RAY_max_grpc_message_size=2000000000 for ray start and for this command."
            ) from None


def end() -> None:
    """Leave the cluster; one that was started here ends."""
    import ray

    ray.shutdown()


def nodes() -> list[Node]:
    """Return the machines that the cluster has now."""
    import ray

    found = [node for node in ray.nodes() if node["Alive"]]
    return sorted(
        (Node(node["NodeID"], node["NodeManagerAddress"], node["Resources"]) for node in found),
        key=lambda node: (node.address, node.id),
    )


def _address(asked: str | None) -> str:
    """Return the address of a cluster that answers, "local" where none was asked for and none is here."""
    wanted = asked or os.environ.get("RAY_ADDRESS") or ""
    if wanted == "local":
        return wanted
    if wanted not in ("", "auto"):
        if not _answers(wanted):
            raise _no_answer(wanted, "nothing takes a connection there.")
        return wanted
    here = _here()
    if here and _answers(here):
        return here
    if wanted == "auto":
        raise _no_answer("this machine", "no cluster runs here.")
    return "local"


def _here() -> str:
    """Return the address of the cluster that was last started on this machine; it may have ended since."""
    folder = Path(os.environ.get("RAY_TMPDIR") or "/tmp") / "ray"  # noqa: S108  Ray's own
    try:
        return (folder / "ray_current_cluster").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _answers(address: str) -> bool:
    """Tell whether something takes connections at HOST:PORT."""
    match = re.fullmatch(r"\[?(.+?)\]?:([0-9]{1,5})", address)
    if not match or int(match[2]) > 65535:
        raise GuideError(f"--address {address}: expected HOST:PORT, auto or local.")
    try:
        with socket.create_connection((match[1], int(match[2])), _ANSWER):
            return True
    except OSError:
        return False


def _no_answer(address: str, why: str) -> GuideError:
    return GuideError(
        f"no Ray cluster answers at {address}: {_short(why)} Start one with ray start --head, and on each other machine ray "
        "start --address HOST:6379."
    )


def _short(text: str) -> str:
    return " ".join(text.split())[:_WORDS]
