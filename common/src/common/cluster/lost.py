"""What to tell of a worker's error: of the work itself it is the user's, of the worker's end the work is done again."""

from __future__ import annotations

from typing import Any

from common import cli
from common.errors import GuideError

TRIES = 3  # workers that the same items may take with them
_OURS = (GuideError, ImportError, OSError, MemoryError)
_WORDS = 300  # of Ray's own words


def reason(member: object, error: Exception) -> str:
    """Return why a worker was lost; an error that it raised itself is raised here, with where it came from."""
    from ray import exceptions

    if isinstance(error, exceptions.RayTaskError):
        cause: Any = error.cause
        if isinstance(cause, _OURS):
            raise GuideError(f"{sentence(cli.message(cause))} That was {member}.") from None
        raise error
    if isinstance(error, GuideError):
        return sentence(str(error))
    if isinstance(error, exceptions.RuntimeEnvSetupError):
        return _not_installed(str(error))
    if isinstance(error, exceptions.RayActorError):
        return _ended(str(error))
    return " ".join(str(error).split())[:_WORDS]


def _ended(text: str) -> str:
    """Return in a few words how a worker's process ended, of Ray's many."""
    words = " ".join(text.split())
    if "creation task" in words:  # the last line of a traceback
        return text.strip().splitlines()[-1].strip()[:_WORDS]
    if "out of memory" in words.lower() or "OOM" in words.partition("Some common causes")[0]:
        return "its machine ran out of memory; lower --actors, --batch-size or --workers"
    if (
        "node" in words
        and ("died" in words or "dead" in words or "terminated" in words)
        and "its node" in words
    ):
        return "its machine has left the cluster"
    return "its process ended, killed or crashed"


def _not_installed(text: str) -> str:
    """Return why Ray could not install the packages on a machine."""
    words = " ".join(text.split())
    if "No module named 'virtualenv'" in words:
        return 'Ray cannot install packages there without virtualenv: pip install "ray[default]" on that machine.'
    if "No module named pip" in words:
        return "Ray cannot install packages there without pip: python -m ensurepip on that machine."
    tail = words[-_WORDS:]
    return (
        f"Ray could not install the packages there: ... {tail} Give that machine a package index, or install "
        "requirements.txt there in the same versions."
    )


def sentence(text: str) -> str:
    """Return a text with a full stop where it has none."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
