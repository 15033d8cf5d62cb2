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


def run(command: Sequence[str], remedy: str, *, capture: bool = False) -> tuple[int, str]:
    """Run a command and return its exit code and what it printed, errors included.

    Unless that is only captured, the command and its output are printed, too, line by line.
    """
    program = resolve(command[0], remedy)
    if not capture:
        print(f"> {quote(command)}", flush=True)
    lines = []
    with subprocess.Popen(
        [program, *command[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            if not capture:
                print(line, end="", flush=True)
    return process.returncode, "".join(lines)


def resolve(program: str, remedy: str) -> str:
    """Return the full path of a program on PATH; without it, the error ends with `remedy`."""
    path = shutil.which(program)
    if path is None:
        raise GuideError(f"the program `{program}` is not on PATH. {remedy}")
    return path
