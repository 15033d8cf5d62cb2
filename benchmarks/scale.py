"""A cluster of two nodes on this machine: two workers beside twice one, what an item costs, a plan for 100 machines.

python benchmarks/scale.py
python benchmarks/scale.py --models faceboxes,pcb --seconds 10 --out figures

Items go through `--engine ray` as in evaluate.py. First through stages that sleep, so that no processor is needed: two
workers have twice as many items as one, and must do them at 95 % of twice the rate or more, else the exit status is 1. The
local engine's rate stands beside them. Then through a network that takes no time, with results and pictures of several
sizes, and the driver's own parts alone are measured. Then through the network of the first of --models, a seeded export, one
core for a worker: driver, workers and Ray share the cores there, so that two workers on two cores cannot reach twice one's
rate. Rates are the best of some rounds, in which all take turns; of stages that sleep there are more where the goal is not
reached, since other programs may have been in the way.

The plan says for each model how many chips one driver can feed before something of it is at its limit, at the fastest rate
that the guide has of a chip; nothing of it was measured on 100 machines.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import scale_costs
import scale_page
import scale_plan
from common import cli
from common.facts import read_facts
from inputs import MODELS, ROOT, models
from scale_cluster import sleepers, two_nodes
from scale_rates import LEAST, network, sleeping
from seeded import seeded
from timing import isolated, machine_line, write


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    text = f"# A cluster of two nodes\n\n{machine_line()}\n"
    print(text)
    figures: dict[str, Any] = {}
    title, onnx = read_facts(ROOT / options.models[0]).title, seeded(options.models[0])

    def told(part: str, **found: Any) -> None:
        nonlocal text
        text += f"\n{part}"
        figures.update(found)
        print(part, flush=True)
        if options.out:  # after each part: an interruption leaves the others
            write(options.out, "scale", text, figures)

    with tempfile.TemporaryDirectory() as name, two_nodes() as cluster:
        work = Path(name)
        with sleepers(cluster.address) as fleet:
            asleep = sleeping(fleet, work, options.seconds, options.rounds)
            worst = min(rates.ratio for rates in asleep.values())
            enough = worst >= LEAST
            verdict = f"worst: {worst:.1%} of twice one worker's rate; at least {LEAST:.0%}: {'PASS' if enough else 'FAIL'}"
            told(scale_page.sleeping(asleep, verdict), sleeping=scale_page.as_json(asleep), passed=enough)
            cli.announce("a network that takes no time, and the driver's parts alone")
            costs = scale_costs.items(fleet, cluster, work)
            sent = scale_costs.sent(fleet, cluster, work)
            alone = scale_costs.alone(fleet, work)
        told(
            scale_page.costs(costs, sent, alone),
            items={size: asdict(cost) for size, cost in costs.items()},
            sent=asdict(sent),
            alone=asdict(alone),
        )
        cli.announce(f"{title}: one worker and two")
        real = {
            title: isolated(
                network, options.models[0], onnx, cluster.address, options.pictures, options.rounds
            )
        }
        told(scale_page.network(real), network=scale_page.as_json(real))
    cli.announce("the sizes of pictures and results")
    loads = {read_facts(ROOT / each).title: scale_plan.load_of(each) for each in options.models}
    found = scale_plan.Costs.of(costs, sent, alone)
    rows = scale_plan.rows(loads, found, options.link * 1e9 / 8)
    told(
        scale_page.plan(rows, options.link),
        plan={"costs": asdict(found), "rows": rows[1:], "columns": rows[0]},
    )
    return 0 if enough else 1


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "--models",
        type=models,
        default=list(MODELS),
        metavar="A,B",
        help="The models of the plan, by their directories; the first one's network is run (default: all).",
    )
    add(
        "--seconds",
        type=cli.number(0.1),
        default=2.5,
        metavar="S",
        help="About how long each run on stages that sleep takes (default: %(default)g).",
    )
    add(
        "--rounds",
        type=cli.positive_int,
        default=2,
        metavar="N",
        help="How many times each is measured; the best counts (default: %(default)s).",
    )
    add(
        "--pictures",
        type=cli.positive_int,
        default=100,
        metavar="N",
        help="How many pictures each worker has for the network (default: %(default)s).",
    )
    add(
        "--link",
        type=cli.number(0.001),
        default=10.0,
        metavar="GBIT",
        help="The driver's network in the plan, in Gbit/s each way (default: %(default)g).",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="The directory that scale.md and scale.json are written to (default: none).",
    )
    return arguments.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
