"""Images per second and card, as the guides count them, and what they are compared with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Rates = Mapping[int, float]  # images per second by batch size
# How many chips a card has. The vendor's tools measure one of them; a GPU or a CPU is measured as a whole.
CHIPS = {"310": 4, "310P": 1, "T4": 1, "GPU": 1, "CPU": 1}
NPUS = ("310", "310P")


@dataclass(frozen=True)
class Best:
    """The highest rate of a column, in images per second, and its batch size, the smallest where several have it."""

    batch_size: int
    rate: float


def card_of(device: str) -> str | None:
    """Return which of `CHIPS` a device is, by its own name, a chip's ("Ascend310P3") or a column's ("310P AOE")."""
    word = device.partition(" ")[0]
    known = re.fullmatch(r"(?:Ascend)?(310P?)\d?", word, re.IGNORECASE)
    name = (known[1] if known else word).upper()
    return name if name in CHIPS else None


def card_rate(chip_rate: float, chips: int) -> float:
    """Return images per second of a card of `chips` chips, from those of one of them."""
    return chip_rate * chips


def batch_rate(milliseconds: float, batch_size: int) -> float:
    """Return images per second from the time of a batch: `trtexec` measures batches, not images."""
    return 1000 * batch_size / milliseconds


def run_rate(pictures: int, seconds: float) -> float:
    """Return images per second of a whole run."""
    return pictures / seconds


def ratios(of: Rates, to: Rates) -> dict[int, float]:
    """Return how many times as fast `of` is as `to`, for the batch sizes that both have."""
    return {batch_size: of[batch_size] / to[batch_size] for batch_size in sorted(of.keys() & to.keys())}


def best(rates: Rates) -> Best:
    """Return the best batch size: the highest rate, whatever the batch size of the others' best is."""
    batch_size = max(sorted(rates), key=rates.__getitem__)
    return Best(batch_size, rates[batch_size])


def best_ratio(of: Rates, to: Rates) -> float:
    """Return how many times as fast the best of `of` is as the best of `to`: what the guides judge by."""
    return best(of).rate / best(to).rate


def verdict(of: Rates, accepted: Mapping[str, float], columns: Mapping[str, Rates]) -> str:
    """Return PASS if the best of `of` is at least `accepted` times the best of each column, FAIL if not.

    Without a factor that a guide states there is nothing to judge by: "none".
    """
    if not accepted:
        return "none"
    held = (best_ratio(of, columns[name]) >= factor for name, factor in accepted.items())
    return "PASS" if all(held) else "FAIL"
