"""One part of the work out of N, so that a disk, a machine or an evening need not hold all of it."""

from __future__ import annotations

import argparse
import re
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 1, of `count`.

    What belongs to it depends on a name alone, so that every step takes the same part of whatever is there; the parts
    are of about equal size.
    """

    number: int
    count: int

    def __contains__(self, name: str) -> bool:
        return zlib.crc32(name.encode("utf-8", "surrogateescape")) % self.count == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


def parse_shard(text: str) -> Shard:
    """Argument type: K/N, part K of N."""
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"expected K/N, part K of N with K from 1 to N, got {text!r}")
    return Shard(int(match[1]), int(match[2]))


def add_shard(arguments: argparse.ArgumentParser) -> None:
    """Add `--shard K/N`."""
    arguments.add_argument(
        "--shard",
        type=parse_shard,
        metavar="K/N",
        help="Take part K of N only. The parts follow from the names, so every step takes the same (default: all).",
    )
