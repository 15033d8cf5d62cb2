"""What every command shares: one-message errors, argument types, progress bars."""

from __future__ import annotations

import argparse
import errno
import functools
import importlib.metadata
import inspect
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, TypeVar

from common import alone, output, screen
from common.errors import GuideError
from common.threads import cores

Item = TypeVar("Item")
Main = Callable[[Sequence[str] | None], int]
DISTRIBUTION = "ascend-guides-common"
DELAY = 2.0  # seconds of work after which its progress is shown
_NO_THREAD = "can't start new thread"  # Python's words for it, in a RuntimeError
_GO_ON = "run the same command again, which goes on from there"
REMEDIES = {
    errno.ENOSPC: f"make room, and {_GO_ON}",
    errno.EDQUOT: f"make room, and {_GO_ON}",
    errno.EFBIG: f"raise the limit of a file's size (ulimit -f), and {_GO_ON}",
    errno.EACCES: "change its permissions, or choose another name",
    errno.EPERM: "change its permissions, or choose another name",
    errno.EROFS: "choose another --out",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "one of the directories above it is none; choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files (ulimit -n), or lower --workers",
}


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Tell of Ctrl-C while modules are being imported in one line, of all else as before."""
    if issubclass(kind, KeyboardInterrupt):
        print("\ninterrupted; nothing was begun.", file=sys.stderr)
    else:
        _before(kind, error, trace)


_before, sys.excepthook = sys.excepthook, _tell


def command(main: Main) -> Callable[..., int]:
    """Turn the failures a user can cause into one message on stderr and exit status 1.

    Anything else is a bug of ours and keeps its traceback.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        with output.kept() as printed, alone.until_end():
            try:
                with screen.until_end():
                    status = main(argv)
            except KeyboardInterrupt:
                print(
                    "\ninterrupted; what is complete stays, run the same command again to go on.",
                    file=sys.stderr,
                )
                return 130
            except (GuideError, ModuleNotFoundError, OSError, MemoryError, RuntimeError) as error:
                if isinstance(error, RuntimeError) and str(error) != _NO_THREAD:
                    raise
                print(f"error: {message(error)}", file=sys.stderr)
                return 1
        if printed.lost:
            print(
                f"error: stdout: {printed.lost}; not all could be printed, all else is done", file=sys.stderr
            )
        return status or int(bool(printed.lost))

    return guarded


def message(error: Exception) -> str:
    """Return what to tell of a failure that a user can cause."""
    if isinstance(error, ModuleNotFoundError):
        return (
            f"the package {error.name!r} is not installed in {sys.prefix}. "
            "Install this directory's requirements first: "
            "pip install -r requirements.txt (and -r requirements-export.txt for what needs torch)."
        )
    if isinstance(error, MemoryError):
        return (
            f"the memory does not suffice{f': {error}' if str(error) else ''}; "
            "lower --batch-size or --workers, or run it on a machine with more."
        )
    if str(error) == _NO_THREAD:
        return "no further thread can be started; raise the limits (ulimit -u and -v, a container's), or lower --workers."
    if isinstance(error, OSError) and error.filename:
        remedy = REMEDIES.get(error.errno or 0, "")
        return f"{os.fsdecode(error.filename)}: {error.strerror}" + (f"; {remedy}." if remedy else "")
    return str(error)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are seen, whatever the screen was told to keep back."""

    def error(self, message: str) -> NoReturn:
        screen.restore()
        super().error(message)


class _Version(argparse.Action):
    """Print the version of this library and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        try:
            version = importlib.metadata.version(DISTRIBUTION)
        except importlib.metadata.PackageNotFoundError:  # a directory on the path
            version = "not installed as a package, of unknown version"
        print(f"{DISTRIBUTION} {version}")
        parser.exit()


def parser(description: str | None, prog: str | None = None) -> argparse.ArgumentParser:
    """Return an argument parser, with --version, that shows `description` (a module's docstring) as it is written."""
    arguments = _Parser(
        prog=prog,
        description=inspect.cleandoc(description or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    arguments.add_argument(
        "--version",
        action=_Version,
        nargs=0,
        default=argparse.SUPPRESS,
        help="Show the version of the library that these commands share, and exit.",
    )
    return arguments


def positive_int(text: str) -> int:
    """Argument type: a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def number(least: float, most: float = sys.float_info.max) -> Callable[[str], float]:
    """Return an argument type: a finite number from `least` to `most`."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:  # also true for nan
            span = f"from {least:g} to {most:g}" if most < sys.float_info.max else f"of at least {least:g}"
            raise argparse.ArgumentTypeError(f"expected a number {span}, got {text!r}")
        return value

    return convert


def add_workers(arguments: argparse.ArgumentParser) -> None:
    """Add `--workers N`."""
    arguments.add_argument(
        "-j",
        "--workers",
        type=positive_int,
        default=cores(),
        metavar="N",
        help="How many threads decode pictures and write files at once "
        f"(default: {cores()}, one per CPU that this process may use).",
    )


def add_batch_size(arguments: argparse.ArgumentParser) -> None:
    """Add `--batch-size N`, for running a model."""
    arguments.add_argument(
        "--batch-size",
        type=positive_int,
        metavar="N",
        help="Images per call (default: the batch size the model was built for, or 1 if it takes any).",
    )


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Return paths by what their results are named after, their names without the suffix; each may occur once."""
    listed = list(paths)
    twice = [stem for stem, count in Counter(path.stem for path in listed).items() if count > 1]
    if twice:
        raise GuideError(
            f"results are named after the pictures, but these names occur twice: {shorten(twice)}."
        )
    return {path.stem: path for path in listed}


def announce(what: str) -> None:
    """Say on stderr what is going to take seconds without a word."""
    print(f"{what} ...", file=sys.stderr, flush=True)


def progress(items: Iterable[Item], total: int | None, what: str, unit: str = "img") -> Iterable[Item]:
    """Show how far the work is, its rate and the remaining time on stderr, once it has taken two seconds.

    On a terminal only. The `total` is None where it is not known: then there is no remaining time.
    """
    from tqdm import tqdm

    columns, rows = _unknown_size()
    bar: Iterable[Item] = tqdm(
        items,
        desc=what,
        total=total,
        disable=None,
        delay=DELAY,
        unit=unit,
        ncols=columns,
        nrows=rows,
        dynamic_ncols=columns is None,
    )
    return bar


def _unknown_size() -> tuple[int, int] | tuple[None, None]:
    """Return columns and rows for a terminal that does not tell its own, where nothing would be shown; None for others."""
    try:
        told = os.get_terminal_size(sys.stderr.fileno())
    except (OSError, ValueError):  # no terminal
        return None, None
    return (None, None) if told.columns and told.lines else (80, 24)


def counted(count: int, noun: str) -> str:
    """Return a number of things in words: `1 input`, `2 inputs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def shorten(names: Iterable[str], most: int = 3) -> str:
    """Join the first `most` names for an error message and count the rest."""
    listed = list(names)
    rest = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest
