"""A Ray cluster of one machine as its user starts it: ray start, in an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

_END = 60  # seconds; Ray itself takes up to 30 to let the work end
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}


@contextmanager
def ray_started(
    *words: str, environment: Mapping[str, str] | None = None, prefix: Path = Path(sys.prefix)
) -> Iterator[str]:
    """Yield the address of a cluster, as long as it runs; without `--address` among the words it is a new one.

    Args:
        words: of the command `ray start`.
        environment: variables of the machine, beside those of here.
        prefix: where the Python environment is.
    """
    is_head = not any(word.startswith("--address") for word in words)
    head = ["--head", "--port", "0", "--include-dashboard", "false"] if is_head else []
    # Short, since names of sockets are.
    with tempfile.TemporaryDirectory(prefix="r", ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [str(prefix / "bin" / "ray"), "start", "--block", "--log-color", "false", *head, *words],
            env={**os.environ, **_QUIET, "RAY_TMPDIR": folder, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        try:
            yield _address(process.stdout, words)
        finally:
            process.terminate()
            try:
                process.communicate(timeout=_END)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()


def bare_environment(prefix: Path, *without: str, pip: bool = False) -> None:
    """Write a Python environment that has ray[default] and nothing else, as links to the packages of this one.

    `without` are packages that it shall lack, `pip` is whether it has pip.
    """
    venv.create(prefix, symlinks=True, with_pip=pip)
    (packages,) = prefix.glob("lib/python*/site-packages")
    for name in _needed("ray", "default") - set(without):
        for path in metadata.files(name) or ():
            link = packages / path.parts[0]
            if path.parts[0] not in ("..", "__pycache__") and not link.exists():
                link.symlink_to(str(path.locate()).removesuffix(str(Path(*path.parts[1:]))))
    program = prefix / "bin" / "ray"
    program.write_text(f"#!{prefix}/bin/python\nfrom ray.scripts.scripts import main\n\nmain()\n")
    program.chmod(0o755)


def _needed(name: str, *extras: str) -> set[str]:
    """Return the packages that are installed here because one with these extras needs them, itself included."""
    found: dict[str, None] = {}
    waiting = [(name, ("", *extras))]
    while waiting:
        name, extras = waiting.pop()
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found[name] = None
        for requirement in map(Requirement, lines):
            marker = requirement.marker
            wanted = marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)
            if wanted and requirement.name not in found:
                waiting.append((requirement.name, ("", *requirement.extras)))
    return set(found)


def _address(lines: Iterator[str], words: tuple[str, ...]) -> str:
    """Return the address that ray start prints once all of it runs."""
    printed, found = "", next((word.partition("=")[2] for word in words if word.startswith("--address=")), "")
    for line in lines:
        printed += line
        if match := re.search(r"--address='([^']+)'", line):
            found = match[1]
        if "block forever" in line:
            return found
    raise AssertionError(f"ray start has ended: {printed}")
