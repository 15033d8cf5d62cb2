"""A checkpoint that its user knows: by its SHA-256, given as an option or in a file beside it."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

from common.errors import GuideError
from common.files import hash_once, read_text

_HASH = r"[0-9a-fA-F]{64}"


def add_argument(arguments: argparse.ArgumentParser) -> None:
    """Add `--sha256 H`."""
    arguments.add_argument(
        "--sha256",
        type=_sha256,
        metavar="H",
        help="Refuse the checkpoint unless its SHA-256 is H, 64 hexadecimal digits; a file <checkpoint>.sha256 beside it, "
        "as sha256sum writes it, is held to in the same way.",
    )


def check(path: Path, given: str | None) -> None:
    """Refuse a checkpoint that is another file than a user knows: by `given`, and by `<path>.sha256` if that is there."""
    beside = path.with_name(f"{path.name}.sha256")
    known = {"--sha256": given} if given else {}
    if os.path.lexists(beside):
        known[str(beside)] = _read(beside, path.name)
    if not known:
        return
    found = hash_once(path)
    for source, expected in known.items():
        if found != expected:
            raise GuideError(
                f"{path}: expected sha256 {expected}, which {source} says, found {found}. "
                "Take the file that it is the hash of, or correct the hash."
            )


def _sha256(text: str) -> str:
    """Argument type: a SHA-256 in hexadecimal."""
    if not re.fullmatch(_HASH, text):
        raise argparse.ArgumentTypeError(
            f"expected 64 hexadecimal digits, as sha256sum prints them, got {text!r}"
        )
    return text.lower()


def _read(path: Path, name: str) -> str:
    """Return the hash of the file `name` that `path`, written by sha256sum, lists; a lone hash needs no name."""
    lines = [line for line in read_text(path).split("\n") if line.strip()]
    hashes = set()
    for line in lines:
        row = re.fullmatch(rf"({_HASH})(?: [ *](.+))?\s*", line)
        if row and (Path(row[2].rstrip()).name == name if row[2] else len(lines) == 1):
            hashes.add(row[1].lower())
    if len(hashes) == 1:
        return hashes.pop()
    if hashes:
        raise GuideError(
            f"{path}: expected one hash of {name}, found {len(hashes)}; leave the line of this file in it."
        )
    shown = repr(lines[0][:100]) if lines else "nothing"
    raise GuideError(
        f"{path}: expected a line of 64 hexadecimal digits, two spaces and {name}, found {shown}. "
        f"Write it again with `sha256sum {name}` in that directory, or remove it."
    )
