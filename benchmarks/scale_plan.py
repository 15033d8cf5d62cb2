"""What one driver would feed of 100 machines with eight chips each, computed from what was measured, for `scale.py`."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.cluster.parts import IN_HAND
from common.cluster.worker import INTERVAL
from common.facts import Facts, read_facts
from common.report.throughput import CHIPS, NPUS, card_of
from inputs import ROOT, load
from scale_costs import PICTURE, Alone, Cost
from timing import isolated

MACHINES, EACH = 100, 8  # and the chips of each
RAYS = 10_000  # workers, of which Ray's own release benchmarks have more in a cluster
SOME = 4  # pictures whose sizes are taken
THREAD, SENDING = "these in one thread", "with --send-pictures"


@dataclass(frozen=True)
class Costs:
    """Seconds of the driver for an item that comes, a picture that is read and a result that is stored: each, and a byte of it.

    And those of a message; bytes a second of objects that come from other nodes, and of pictures that are sent.
    """

    item: tuple[float, float]
    read: tuple[float, float]
    stored: tuple[float, float]
    message: float
    objects: float
    sent: float

    @classmethod
    def of(cls, items: Mapping[int, Cost], sent: Cost, alone: Alone) -> Costs:
        """Return what follows from what was measured."""
        item = {size: cost.driver / cost.items for size, cost in items.items()}
        rate = sent.items * PICTURE / sent.clock
        return cls(line(item), line(alone.read), line(alone.stored), alone.message, alone.objects, rate)


@dataclass(frozen=True)
class Load:
    """What a network asks of its driver: pictures a second of a chip, and which; bytes of a picture and of a result."""

    rate: float
    device: str
    picture: float
    result: float


def line(measured: Mapping[int, float]) -> tuple[float, float]:
    """Return seconds for each and for each byte, from seconds by bytes: through the smallest and the largest."""
    small, large = min(measured), max(measured)
    slope = max(0.0, (measured[large] - measured[small]) / (large - small))
    return max(0.0, measured[small] - slope * small), slope


def load_of(name: str) -> Load:
    """Return what a model asks, of the fastest chip that its guide has figures of."""
    rate, device = fastest_chip(read_facts(ROOT / name))
    return Load(rate, device, *isolated(_sizes, name))


def fastest_chip(facts: Facts) -> tuple[float, str]:
    """Return the highest rate of an NPU's chip in model.toml, in pictures per second, and the column."""
    cards = facts.throughput.cards
    found = [
        (max(rates.values()) / CHIPS[card], name)
        for name, rates in cards.items()
        if (card := card_of(name)) in NPUS and card
    ]
    return max(found)


def _sizes(name: str) -> tuple[float, float]:
    """Return the mean bytes of pictures like the data set's, and of results of made-up outputs."""
    model, pictures, results = load(name), [], []
    with tempfile.TemporaryDirectory() as folder:
        for seed, source in enumerate(model.pictures(Path(folder), SOME).values()):
            pictures.append(getattr(source, "path", source).stat().st_size)
            results.append(model.TASK.finish(model.outputs(seed), model.TASK.prepare(source)[1]).nbytes)
    return sum(pictures) / SOME, sum(results) / SOME


def chips_fed(load: Load, costs: Costs, link: float) -> dict[str, float]:
    """Return how many chips each of the driver's resources can feed, by its name.

    The first three are the work of one thread, one after the other. Over its link the driver reads all pictures of a shared
    storage, and has all results.

    Args:
        load: what the network asks.
        costs: what was measured.
        link: bytes a second of the driver's network, each way.
    """

    def of(pair: tuple[float, float], size: float) -> float:
        return pair[0] + pair[1] * size

    # Each part in hand tells once in a while, but never more often than there are results.
    messages = min(IN_HAND / INTERVAL, load.rate)
    busy = {
        "hashing": load.rate * of(costs.read, load.picture),
        "results in": load.rate * of(costs.item, load.result) + messages * costs.message,
        "storing": load.rate * of(costs.stored, load.result),
    }
    fed = {name: 1 / share for name, share in busy.items()}
    fed[THREAD] = 1 / sum(busy.values())
    fed["link"] = link / (load.rate * (load.picture + load.result))
    fed[SENDING] = costs.sent / (load.rate * load.picture)
    fed["object store"] = costs.objects / (load.rate * load.result)
    fed["Ray's actors"] = RAYS
    return fed


def rows(loads: Mapping[str, Load], costs: Costs, link: float) -> Sequence[Sequence[str]]:
    """Return the table's rows, the first one its head: chips that one driver can feed, and how many drivers all would take."""
    found = []
    for title, asked in loads.items():
        fed = chips_fed(asked, costs, link)
        alone = {name: chips for name, chips in fed.items() if name not in (THREAD, SENDING)}
        first = min(alone, key=lambda name: alone[name])
        needed = math.ceil(MACHINES * EACH / min(fed[THREAD], fed["link"]))
        found.append(
            [
                title,
                f"{asked.device} {asked.rate:,.4g}",
                f"{asked.picture / 1e3:,.3g}",
                f"{asked.result / 1e3:,.3g}",
                *(_chips(chips) for chips in fed.values()),
                first,
                str(needed),
            ]
        )
    head = ["", "images/s of a chip", "picture, kB", "result, kB", *fed, "first", "drivers for all"]
    return [head, *found]


def _chips(count: float) -> str:
    return f"{count:,.3g}" if count < 100 else f"{count:,.0f}"
