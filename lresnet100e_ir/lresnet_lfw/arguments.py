"""The guide's positional arguments beside the house's options."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add_positional(
    arguments: argparse.ArgumentParser, name: str, kind: Callable[[str], object], option: str
) -> None:
    """Add the positional argument that is a guide's way to give `option`; where it is absent, the option counts."""

    def convert(text: str) -> object:  # argparse converts even this default of an absent one
        return text if text is argparse.SUPPRESS else kind(text)

    arguments.add_argument(
        name,
        nargs="?",
        type=convert,
        default=argparse.SUPPRESS,
        metavar=option.strip("-").upper(),
        help=f"The guide's way to give {option}.",
    )
