"""How well preparing, the network, finishing and storing run at once: the whole against its slowest part.

python benchmarks/end_to_end.py
python benchmarks/end_to_end.py --models faceboxes,pcb --backend openvino --precision bfloat16 --out figures

Per model, pictures go through the stream as in evaluate.py, into a store; then each stage alone does the same work with the
same threads: preparing, the network on all its views at once, finishing, storing. No run can take less than its slowest
stage alone, nor less than its CPU seconds over the cores. PASS: it takes 1.05 of the larger of both at the most. Then the
same with a network that takes no time, with one worker and with two. Last, with stages that sleep, the share of its own
rate that the slowest one keeps. The networks are seeded exports, made where they are missing, or --model for one of them.

The views start and end together only where the batches are a whole number of turns, as they are here. In a data set the
last turn may have fewer batches than views: half a turn is lost on average. Of R-FCN a turn takes some ten seconds on two
cores, which is below 1 % from 500 pictures on; here a few turns must do.

Nothing else should run meanwhile: "others" is the largest share of the CPUs that other programs took, and where it is
above 5 %, there is no verdict.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from common import cli
from common.backends.deployed import BACKENDS, PRECISIONS
from common.errors import GuideError
from common.facts import read_facts
from common.threads import cores
from inputs import MODELS, ROOT, models
from seeded import seeded
from sleeping import sleeping_table
from streamed import STAGES, measure_host, measure_network
from timing import isolated, machine_line, table, write

MOST = 1.05  # of the larger of the slowest stage alone and the CPU seconds over the cores
QUIET = 0.05  # of the CPUs, for others


def verdict(found: Mapping[str, Any]) -> str:
    """Return PASS, over, or that the machine was too busy to tell."""
    if found["others"] > QUIET:
        return "busy"
    return "PASS" if found["ratio"] <= MOST else "over"


HEAD = [
    "network",
    "workers",
    "items",
    "items/s",
    "CPU ms/item",
    *(f"{stage} alone" for stage in STAGES),
    "CPU / cores",
    "stream",
    "no store",
    "ratio",
    "others",
    "verdict",
]


def row(title: str, workers: int, found: Mapping[str, Any]) -> list[str]:
    """Return a line of the table: seconds by the clock, the largest bound marked."""
    clock, cpu = found["clock"], found["cpu"]
    bounds = {**{stage: clock.get(stage) for stage in STAGES}, "CPU": cpu["stream"] / cores()}
    seconds = [
        "" if value is None else f"{value:.2f}{' *' if key == found['bound'] else ''}"
        for key, value in bounds.items()
    ]
    return [
        title,
        str(workers),
        str(found["items"]),
        f"{found['items'] / clock['stream']:.4g}",
        f"{1e3 * cpu['stream'] / found['items']:.3g}",
        *seconds,
        f"{clock['stream']:.2f}",
        f"{clock['without store']:.2f}",
        f"{found['ratio']:.3f}",
        f"{found['others']:.0%}",
        verdict(found),
    ]


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    if options.model and len(options.models) > 1:
        raise GuideError("--model is one network's: name it with --models.")
    text = f"# End to end\n\n{machine_line()}\n"
    print(text)
    measured: dict[str, Any] = {}
    for name in options.models:
        onnx = options.model.resolve() if options.model else seeded(name)
        cli.announce(f"{name}: the stream and each stage alone, {options.rounds} times")
        sizes = (options.batch_size, options.workers, options.seconds, options.rounds)
        found: dict[str, Any] = {
            "network": isolated(measure_network, name, onnx, options.backend, options.precision, *sizes)
        }
        network = found["network"]
        rows = [
            HEAD,
            row(
                f"{network['backend']} {network['precision']}, {network['views']} views",
                options.workers,
                network,
            ),
        ]
        for workers in (1, 2):
            cli.announce(f"{name}: a network that takes no time, {cli.counted(workers, 'worker')}")
            host = isolated(
                measure_host, name, options.batch_size, workers, options.seconds / 2, options.rounds
            )
            found[f"no network, workers {workers}"] = host
            rows.append(row("takes no time", workers, host))
        measured[name] = found
        part = (
            f"## {read_facts(ROOT / name).title}\n\nBatches of {options.batch_size}, {network['turns']} turns of all "
            f"views at {network['turn']:.3g} s; seconds by the clock, * the largest that no run can be below.\n\n"
            f"{table(rows)}\n"
        )
        text += f"\n{part}"
        if options.out:  # after each model: an interruption leaves the others
            write(options.out, "end_to_end", text, {"models": measured})
        print(part, flush=True)
    cli.announce("stages that sleep")
    rows, worst = sleeping_table()
    part = (
        "## Stages that sleep\n\nShare of its own rate that the slowest stage keeps.\n\n"
        f"{table(rows)}\n\nworst: {worst:.1%}\n"
    )
    if options.out:
        write(options.out, "end_to_end", f"{text}\n{part}", {"models": measured, "sleeping": rows})
    print(part)
    verdicts = [verdict(found) for each in measured.values() for found in each.values()]
    return 1 if options.check and set(verdicts) != {"PASS"} else 0


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the command's arguments."""
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "--models",
        type=models,
        default=list(MODELS),
        metavar="A,B",
        help="The models to measure, by their directories (default: all).",
    )
    add("--model", type=Path, metavar="F", help="The ONNX file of the one network in --models.")
    add(
        "--backend",
        choices=[name for name in BACKENDS if name != "om"],
        default="onnxruntime",
        help="What runs the network (default: %(default)s).",
    )
    add(
        "--precision",
        choices=PRECISIONS,
        default="float32",
        help="What it computes in (default: %(default)s).",
    )
    add("--batch-size", type=cli.positive_int, default=1, metavar="N", help="Images per call (default: 1).")
    cli.add_workers(arguments)
    add(
        "--seconds",
        type=cli.number(0.1),
        default=15.0,
        metavar="S",
        help="How long one run of the stream takes, about (default: %(default)s).",
    )
    add(
        "--rounds",
        type=cli.positive_int,
        default=3,
        metavar="N",
        help="How often all is measured (default: 3).",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="The directory that end_to_end.md and end_to_end.json are written to (default: none).",
    )
    add("--check", action="store_true", help="End with exit status 1 where a verdict is not PASS.")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
