"""What every command shares: one-message errors, argument types, progress bars."""

from __future__ import annotations

import argparse
import functools
import inspect
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from common.errors import GuideError

Item = TypeVar("Item")
Main = Callable[[Sequence[str] | None], int]


def command(main: Main) -> Callable[..., int]:
    """Turn the failures a user can cause into one message on stderr and exit status 1.

    Anything else is a bug of ours and keeps its traceback.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv)
        except GuideError as error:
            message = str(error)
        except ModuleNotFoundError as error:
            message = (
                f"the package {error.name!r} is not installed in {sys.prefix}. "
                "Install this directory's requirements first: "
                "pip install -r requirements.txt (and -r requirements-export.txt for what needs torch)."
            )
        except OSError as error:  # full disk, no permission, a directory where a file is expected
            message = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        except KeyboardInterrupt:
            message = "interrupted; what is complete stays, run the same command again to go on."
            print(f"\n{message}", file=sys.stderr)
            return 130
        print(f"error: {message}", file=sys.stderr)
        return 1

    return guarded


def parser(description: str | None, prog: str | None = None) -> argparse.ArgumentParser:
    """Return an argument parser that shows `description` (a module's docstring) as it is written."""
    return argparse.ArgumentParser(
        prog=prog,
        description=inspect.cleandoc(description or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def positive_int(text: str) -> int:
    """Argument type: a whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def add_workers(arguments: argparse.ArgumentParser) -> None:
    """Add `--workers N`."""
    arguments.add_argument(
        "-j",
        "--workers",
        type=positive_int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="How many threads decode pictures and write files at once (default: %(default)s, one per CPU).",
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


def progress(items: Iterable[Item], total: int, what: str) -> Iterable[Item]:
    """Show a progress bar on stderr, on a terminal only, once the work has taken two seconds."""
    bar: Iterable[Item] = tqdm(items, desc=what, total=total, disable=None, delay=2, unit="img")
    return bar


def shorten(names: Iterable[str], most: int = 3) -> str:
    """Join the first `most` names for an error message and count the rest."""
    listed = list(names)
    rest = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + rest
