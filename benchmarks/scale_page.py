"""The tables of `scale.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from scale_costs import PARTS, PICTURE, Alone, Cost
from scale_plan import EACH, MACHINES
from scale_rates import WORKERS, Rates
from timing import table

REMEDIES = """\
"First" is what is at its limit first, pictures not being sent. "Hashing" is the driver's reading of each picture, to
compare it with the worker's file and for the store. Before the driver's thread is full, have a driver for each part of the
data, on a machine of its own: as many as the last column says. A link that is full needs a faster one. With --send-pictures
all pictures go through the driver and its object store; a storage that all machines see takes that away. Ray's control plane
has no part in the items, and no driver has as many workers as Ray's own release benchmarks have, some 10,000.
"""


def sleeping(found: Mapping[str, Rates], verdict: str) -> str:
    """Return the part about stages that sleep."""
    about = (
        f"Two workers have twice as many items as one; {WORKERS} threads prepare in each, and as many finish."
    )
    return f"## Stages that sleep\n\n{about}\n\n{_rates(found)}\n\n{verdict}\n"


def network(found: Mapping[str, Rates]) -> str:
    """Return the part about a real network."""
    about = "One core for a worker, and for the local engine; driver and Ray have the same cores."
    return f"## A network\n\n{about}\n\n{_rates(found)}\n"


def _rates(found: Mapping[str, Rates]) -> str:
    rows = [["", "local, items/s", "one worker", "two workers", "one : local", "two : twice one"]]
    for title, rates in found.items():
        each = (rates.local, rates.one, rates.two)
        shares = (rates.one / rates.local, rates.ratio)
        rows.append([title, *(f"{rate:,.1f}" for rate in each), *(f"{share:.1%}" for share in shares)])
    return table(rows)


def as_json(found: Mapping[str, Rates]) -> dict[str, Any]:
    """Return rates as numbers."""
    return {title: {**asdict(rates), "ratio": rates.ratio} for title, rates in found.items()}


def costs(items: Mapping[int, Cost], sent: Cost, alone: Alone) -> str:
    """Return the part about what an item costs, and the driver's parts alone."""
    rows = [["", "items/s", "MB/s", "driver, CPU us", "workers, CPU us", "Ray, CPU us"]]
    rows += [_cost(f"result of {size:,} bytes", cost, size) for size, cost in items.items()]
    rows.append(_cost(f"picture of {PICTURE:,} bytes, sent", sent, PICTURE))
    parts = [["", "us", "MB/s"]]
    for words, found in (("reading and hashing a picture", alone.read), ("storing a result", alone.stored)):
        for size, seconds in found.items():
            name = f"{words} of {size:,} bytes"
            parts.append([name, f"{1e6 * seconds:.1f}", f"{size / seconds / 1e6:,.3g}"])
    parts += [
        ["a message without a result, CPU", f"{1e6 * alone.message:.0f}", ""],
        [f"asking for news of {PARTS:,} parts in hand", f"{1e6 * alone.waiting:,.0f}", ""],
        ["an object from the other node's store", "", f"{alone.objects / 1e6:,.0f}"],
    ]
    about = "Two workers on a network that takes no time, for each item; no file is read where none is sent."
    return (
        f"## What an item costs\n\n{about}\n\n{table(rows)}\n\nThe driver's parts alone:\n\n{table(parts)}\n"
    )


def _cost(title: str, cost: Cost, size: int) -> list[str]:
    rate = cost.items / cost.clock
    spent = (1e6 * seconds / cost.items for seconds in (cost.driver, cost.workers, cost.ray))
    return [title, f"{rate:,.0f}", f"{rate * size / 1e6:,.3g}", *(f"{each:.0f}" for each in spent)]


def plan(rows: Sequence[Sequence[str]], link: float) -> str:
    """Return the part about many machines."""
    about = (
        f"On paper, for {MACHINES} machines of {EACH} chips: how many chips one driver feeds before one of these is at its "
        f"limit. Its link is {link:g} Gbit/s each way; sending was measured on this machine, without a network."
    )
    return f"## {MACHINES} machines\n\n{about}\n\n{table(rows)}\n\n{REMEDIES}"
