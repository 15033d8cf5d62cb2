"""Outside programs and Python packages, tried in children: what they say, and why they do not start."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ascend_tools
import common
from ascend_tools.doctor.check import STOP
from common import process
from common.errors import GuideError

# What the system's loader says, in programs, in Python's ImportError, and on musl; then of other kinds of trouble.
_NOT_FOUND = re.compile(r"(?P<library>[\w+./-]+\.so[.\w]*): cannot open shared object file")
_NOT_FOUND_MUSL = re.compile(r"Error loading shared library (?P<library>[\w+./-]+\.so[.\w]*): No such file")
_UNFIT = re.compile(
    r"(?P<library>[\w+./-]+\.so[.\w]*): (?P<why>undefined symbol: \w+|(?:wrong ELF class|invalid ELF header|file too short"
    r"|version `[\w.]+' not found|cannot allocate memory in static TLS block)[^\n]*)"
)
_CRASHED = re.compile(
    r"crashed with|exit status 13\d|Segmentation fault|Illegal instruction|Bus error|Aborted"
)
_LONGEST = 300  # letters of a line that is quoted


@dataclass(frozen=True)
class Ran:
    """How a program ended: exit status (None where it did not start, or was given up), printout, and what went wrong.

    `library` is the shared library that was not found, "" where that is not the matter.
    """

    status: int | None
    printed: str
    problem: str = ""
    library: str = ""


def run(words: Sequence[str], seconds: float) -> Ran:
    """Run a program to its end, with a time limit; it never raises, but for `process.Stopped`.

    An exit status other than 0 is no problem by itself: some programs end so though they did what they were asked for.
    """
    try:
        status, printed = process.run(words, "Is it installed?", seconds=seconds, capture=True, stop=STOP)
    except GuideError as error:
        late = "seconds and was given up" in str(error)
        return Ran(None, "", f"it has not ended within {seconds:g} seconds" if late else str(error))
    except (OSError, ValueError) as error:
        return Ran(None, "", f"it cannot be started: {getattr(error, 'strerror', None) or error}")
    if problem := library_problem(printed):
        return Ran(status, printed, problem, missing_library(printed))
    if status < 0 or status in (132, 134, 135, 136, 137, 139):  # of a shell that started it
        number = -status if status < 0 else status - 128
        return Ran(status, printed, f"it crashed with {_signal(number)}")
    if status == 126:
        return Ran(status, printed, f"it cannot be started: {last_line(printed)}")
    return Ran(status, printed)


def missing_library(text: str) -> str:
    """Return the name of the shared library that a printout says is missing, or ""."""
    found = _NOT_FOUND.search(text) or _NOT_FOUND_MUSL.search(text)
    return found["library"].rpartition("/")[2] if found else ""


def library_problem(text: str) -> str:
    """Return in words what a printout says of a shared library, or ""."""
    if library := missing_library(text):
        return f"the library {library} is not found"
    if found := _UNFIT.search(text):
        return f"the library {found['library'].rpartition('/')[2]} does not fit: {found['why'].strip()}"
    return ""


def last_line(text: str) -> str:
    """Return the last line that says something, shortened."""
    return next((line.strip()[:_LONGEST] for line in reversed(text.splitlines()) if line.strip()), "")


def _signal(number: int) -> str:
    """Return a signal's name, and what it stands for: `SIGSEGV (Segmentation fault)`."""
    try:
        return f"{signal.Signals(number).name} ({signal.strsignal(number)})"
    except ValueError:
        return f"signal {number}"


@dataclass(frozen=True)
class Answer:
    """What a child Python answered.

    Attributes:
        value: its last line of JSON, None where there is none.
        problem: what went wrong, in words; "" where it ended as it should with an answer.
        printed: all that it printed, errors included.
    """

    value: Any
    problem: str
    printed: str


def ask_python(python: str, code: str, seconds: float) -> Answer:
    """Run code in a child of any Python 3, and return what its last line, JSON, says; it never raises.

    The working directory is not on its path, so that what lies there stands for no package. A crash, an exception, a
    time-out and an interpreter that cannot be started are the answer's problem; a child that crashes as it ends has both.
    """
    begin = "import sys; sys.path[:] = [each for each in sys.path if each]\n"
    try:
        status, printed = process.run(
            [python, "-c", begin + code], "Is it a Python?", seconds=seconds, capture=True, stop=STOP
        )
    except GuideError as error:
        late = "seconds and was given up" in str(error)
        return Answer(None, f"has not answered within {seconds:g} seconds" if late else str(error), "")
    except OSError as error:
        return Answer(None, f"{python} cannot be started: {error.strerror or error}", "")
    value = _last_json(printed)
    if status < 0:
        return Answer(value, f"it crashed with {_signal(-status)}", printed)
    if status:
        return Answer(value, last_line(printed) or f"it ended with exit status {status}", printed)
    return Answer(value, "" if value is not None else "it answered nothing", printed)


def ask_own(code: str, seconds: float, **given: Any) -> Answer:
    """Run code in a child of this Python, which finds this package and `common`, with `given` as JSON's variables."""
    homes = [str(Path(module.__file__ or "").resolve().parents[1]) for module in (ascend_tools, common)]
    begin = f"import json, sys\nsys.path += [each for each in {homes!r} if each not in sys.path]\n"
    return ask_python(
        sys.executable, f"{begin}globals().update(json.loads({json.dumps(given)!r}))\n{code}", seconds
    )


def _last_json(printed: str) -> Any:
    """Return the last line that is JSON's object or list; libraries print before and after."""
    for line in reversed(printed.splitlines()):
        if line.strip()[:1] in ("{", "["):
            try:
                return json.loads(line)
            except ValueError:
                continue
    return None


@dataclass(frozen=True)
class Imported:
    """One module of a Python: its version ("" where not told), its file, and why it cannot be imported, if so.

    `absent` tells that there is no such module, in contrast to one that breaks.
    """

    version: str = ""
    file: str = ""
    problem: str = ""
    absent: bool = False
    library: str = ""


_IMPORT = r"""
import importlib, json
try:
    import importlib.metadata as metadata
except ImportError:
    metadata = None
found = {}
for package, name in %s.items():
    try:
        module = importlib.import_module(name)
        version = ""
        try:
            version = metadata.version(package)
        except Exception:
            version = getattr(module, "__version__", "")
        found[name] = {"version": str(version), "file": str(getattr(module, "__file__", None) or "")}
    except BaseException as error:
        lost = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        found[name] = {
            "problem": type(error).__name__ + ": " + str(error),
            "absent": lost is not None and (name + ".").startswith(lost + "."),
        }
print()
print(json.dumps({"found": found}))
"""


def imports(python: str, modules: Mapping[str, str], seconds: float) -> dict[str, Imported] | str:
    """Import modules, by the packages that bring them, in a child of a Python; return what is found by module.

    A string says why the Python itself does not answer. Where the child crashes, each module is tried by itself, which
    tells the one that does it; one that crashes as the child ends has been imported, and counts as such.
    """
    answer = ask_python(python, _IMPORT % json.dumps(dict(modules)), seconds)
    found = _found(answer)
    if found is not None:
        return {name: found.get(name) or Imported(problem="it said nothing") for name in modules.values()}
    if not _CRASHED.search(answer.problem):
        return answer.problem or "it answers something else than it is asked for"
    if len(modules) == 1:
        return {name: Imported(problem=answer.problem) for name in modules.values()}
    each: dict[str, Imported] = {}
    for package, name in modules.items():
        alone = imports(python, {package: name}, seconds)
        if isinstance(alone, str):
            return alone
        each |= alone
    return each


def _found(answer: Answer) -> dict[str, Imported] | None:
    rows = answer.value.get("found") if isinstance(answer.value, dict) else None
    if not isinstance(rows, dict):
        return None
    found = {}
    for name, row in rows.items():
        if not isinstance(row, dict):
            return None
        problem = str(row.get("problem") or "")
        found[str(name)] = Imported(
            str(row.get("version") or ""),
            str(row.get("file") or ""),
            library_problem(problem) or problem.strip()[:_LONGEST],
            bool(row.get("absent")),
            missing_library(problem),
        )
    return found
