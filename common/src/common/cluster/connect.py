"""Connecting to a Ray cluster, or starting one on this machine alone, and telling which machines it has."""

from __future__ import annotations

import logging
import os
import re
import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path

from common.cluster import ship
from common.cluster.places import Node
from common.errors import GuideError

_ANSWER = 5.0  # seconds for a cluster's head to take a connection; Ray itself would try for many minutes
# What HTTP/2, and so gRPC, begins with on either side: its first frame, after three bytes of length, is of this kind.
_SETTINGS = b"\x04"
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + _SETTINGS + bytes(5)
_WORDS = 400  # of Ray's own words
_REMEDY = (
    "A cluster that asks for a token takes the one of the machine that it was started on: copy its ~/.ray/auth_token, and "
    "set RAY_AUTH_MODE=token."
)
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # of a lost worker we tell ourselves
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def connect(address: str | None, model: Path, folder: Path, files: Mapping[str, Path]) -> None:
    """Connect to a cluster, and give it the code and the model.

    Args:
        address: HOST:PORT, "auto" for the cluster of this machine; None for the one that RAY_ADDRESS names, else that of
            this machine, else one that is started, and ends with this process.
        model: the ONNX or OM file.
        folder: the model directory.
        files: those that options name, by the option.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    found = _address(address)
    if found != "local" and _wanted(address) in ("", "auto") and _has_token():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # as ray start has done here; Ray reads it on import
    import ray

    with tempfile.TemporaryDirectory() as staging:
        env = ship.runtime_env(model, folder, files, Path(staging))
        try:
            ray.init(
                address=found,
                runtime_env=env,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({"include_dashboard": False} if found == "local" else {}),
            )
        except ray.exceptions.AuthenticationError:
            raise GuideError(f"RAY_AUTH_MODE=token is set, and no token is here. {_REMEDY}") from None
        except (ConnectionError, ValueError) as error:
            raise _no_answer(found, f"{error} {_REMEDY}") from None
        except RuntimeError as error:
            ray.shutdown()
            if "Version mismatch" in str(error):
                raise GuideError(
                    f"the cluster has another Ray or Python than this command: {_short(str(error))} Run both in environments "
                    "of the same versions."
                ) from None
            raise GuideError(f"Ray does not begin: {_short(str(error))}") from None
        except ray.exceptions.RuntimeEnvSetupError as error:
            ray.shutdown()
            # Its advice is for programmers.
            why = re.split(" To exclude| - GCS URI", _short(str(error)))[0]
            raise GuideError(
                f"{model}: Ray did not take it with the code: {why} A larger model needs a higher limit: set "
                "RAY_max_grpc_message_size=2000000000 for ray start on each machine, and for this command."
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
    wanted = _wanted(asked)
    if wanted == "local":
        return wanted
    if wanted not in ("", "auto"):
        if not _answers(wanted):
            raise _no_answer(wanted, "nothing there answers as Ray does.")
        return wanted
    here = _here()
    if here and _answers(here):
        return here
    if wanted == "auto":
        raise _no_answer("this machine", "no cluster runs here.")
    return "local"


def _wanted(asked: str | None) -> str:
    return asked or os.environ.get("RAY_ADDRESS") or ""


def _has_token() -> bool:
    """Tell whether there is a token, with which ray start has its cluster ask for it, see Ray's documentation."""
    given = any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return given or (Path.home() / ".ray" / "auth_token").is_file()


def _here() -> str:
    """Return the address of the cluster that was last started on this machine; it may have ended since."""
    folder = Path(os.environ.get("RAY_TMPDIR") or "/tmp") / "ray"  # noqa: S108  Ray's own
    try:
        return (folder / "ray_current_cluster").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _answers(address: str) -> bool:
    """Tell whether a gRPC server, as Ray's head is one, answers at HOST:PORT; Ray itself would wait for others without end."""
    match = re.fullmatch(r"\[?(.+?)\]?:([0-9]{1,5})", address)
    if not match or int(match[2]) > 65535:
        raise GuideError(f"--address {address}: expected HOST:PORT, auto or local.")
    try:
        with socket.create_connection((match[1], int(match[2])), _ANSWER) as server:
            if os.environ.get("RAY_USE_TLS") not in (None, "", "0"):
                return True
            server.sendall(_GREETING)
            return server.recv(4)[3:] == _SETTINGS
    except OSError:
        return False


def _no_answer(address: str, why: str) -> GuideError:
    return GuideError(
        f"no Ray cluster answers at {address}: {_short(why)} Start one with ray start --head, and on each other machine ray "
        "start --address HOST:6379."
    )


def _short(text: str) -> str:
    return " ".join(text.split())[:_WORDS]
