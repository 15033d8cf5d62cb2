"""A README's commands, found in its text and run one after the other, as somebody who pastes them does."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ascend_tools.testing.guides import TABLES

# A fenced block, or a command between single backticks; the other fenced blocks show what is printed.
PLACES = re.compile(r"^```(\w*)\n(.*?)^```|(?<!`)`((?:python|pip|nox|\./)[^`]*)`", re.DOTALL | re.MULTILINE)
METAVARIABLE = re.compile(r"\[|\b(?:F|N|K/N|DIR|NAME|X\.info)\b")
LOOP = re.compile(r"for (\w+) in ([^;]*); do\n(.*?)\n\s*done", re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """What a README's block without a language holds: the output of the last command before it."""

    text: str


@dataclass(frozen=True)
class Command:
    """One command, a line of a shell; `block` numbers the block, each of which begins in the README's directory."""

    text: str
    block: int


def read(path: Path) -> Iterator[Command | Shown]:
    """Yield a README's commands and what it shows of their output, in its order, two rounds of each loop.

    Commands with a metavariable (`--model F`, `[--dry-run]`) say how something is called and are left out, and so are
    the tables at the end of a model's README, which quote the guide's.
    """
    text = path.read_text(encoding="utf-8").partition(f"\n## {TABLES[0]}\n")[0]
    for number, match in enumerate(PLACES.finditer(text)):
        language, block, inline = match.groups()
        if inline:
            if not METAVARIABLE.search(inline):
                yield Command(" ".join(inline.split()), number)
        elif language == "sh":
            for line in _unrolled(block.replace("\\\n", " ")).splitlines():
                for part in line.split(" && "):
                    if shlex.split(part, comments=True):
                        yield Command(part.strip(), number)
        elif not language:
            yield Shown(block)


def _unrolled(block: str) -> str:
    """Write the body of each `for` loop for the first two of its words."""

    def bodies(match: re.Match[str]) -> str:
        variable, words, body = match.groups()
        return "\n".join(body.replace(f"${variable}", word) for word in words.split()[:2])

    return LOOP.sub(bodies, block)


class Pasted:
    """A shell that commands are pasted into: it knows `cd` and settings before a command.

    `programs` maps first words to functions of the command's words and its directory, which return an exit status; what
    has none is given to the machine's shell.
    """

    def __init__(self, home: Path, programs: Mapping[str, Callable[[list[str], Path], int]]) -> None:
        self.home = self.here = home
        self.programs = programs
        self.block = -1

    def run(self, command: Command) -> int:
        """Run one command and return its exit status."""
        if command.block != self.block:
            self.block, self.here = command.block, self.home
        words = shlex.split(command.text, comments=True)
        while re.match(r"\w+=", words[0]):
            words.pop(0)
        if words[0] == "cd":
            self.here = (self.here / words[1]).resolve()
            return 0 if self.here.is_dir() else 1
        program = self.programs.get(words[0])
        if program:
            return program(words, self.here)
        # `python` in a shell script is the reader's, of the environment that runs this.
        path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        shell = ["/bin/sh", "-c", command.text]
        return subprocess.run(shell, cwd=self.here, env={**os.environ, "PATH": path}, check=False).returncode
