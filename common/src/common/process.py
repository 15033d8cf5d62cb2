"""Running an outside program."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Sequence

from common.errors import GuideError


def quote(command: Sequence[str]) -> str:
    """Return a command as one pastes it into a shell; option values are quoted as the guides quote them."""
    return " ".join(_quote(word) for word in command)


def _quote(word: str) -> str:
    option, equals, value = word.partition("=")
    plain = not any(character in value for character in '"$`\\!')
    if option.startswith("-") and equals and plain and any(character in value for character in ";:, "):
        return f'{option}="{value}"'
    return shlex.quote(word)


def stream(command: Sequence[str], remedy: str) -> tuple[int, list[str]]:
    """Print and run a command, passing its output on line by line; return its exit code and last 20 lines."""
    program = resolve(command[0], remedy)
    print(f"> {quote(command)}", flush=True)
    tail: list[str] = []
    with subprocess.Popen(
        [program, *command[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            tail = [*tail[-19:], line.rstrip("\n")]
    return process.returncode, tail


def output(command: Sequence[str], remedy: str) -> str:
    """Run a command and return what it prints; a failure is an error that shows it."""
    done = subprocess.run(
        [resolve(command[0], remedy), *command[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise GuideError(
            f"`{quote(command)}` failed with exit code {done.returncode}:\n{done.stdout.strip()}\n{remedy}"
        )
    return done.stdout


def resolve(program: str, remedy: str) -> str:
    """Return the full path of a program on PATH; without it, the error ends with `remedy`."""
    path = shutil.which(program)
    if path is None:
        raise GuideError(f"the program `{program}` is not on PATH. {remedy}")
    return path
