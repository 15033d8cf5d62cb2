"""How the evaluation of each data set grows: CPU time and peak memory at 1, 2, 5 and 10 times its size.

python benchmarks/growth.py
python benchmarks/growth.py --models pcb,efficientdet_d0 --times 1,10 --out figures

Evaluation is all between stored predictions and figures: reading annotations and predictions, ranking or matching, the
curve. Annotations and predictions are made up, with as many pictures, objects and boxes as the data set has, times the
size; of PCB and LResNet100E-IR features stand for predictions, which are made or read as one array, not from as many
result files. Each size is evaluated in a process of its own, a short one three times, of which the least seconds count;
imports do not count. "of it data" is what data and predictions take once they are read, "of it Python" what the process
held before.

With --out, growth.md, growth.json and growth.svg are written. Files are made up in the temporary directory, 1 GB at the
most at a time: TMPDIR names another file system.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import growth_page
from common import cli
from common.facts import read_facts
from growth_runs import measure
from inputs import MODELS, ROOT, models
from timing import machine_line, write


def sizes(text: str) -> list[int]:
    """Argument type: whole numbers with commas between them."""
    return sorted({cli.positive_int(word) for word in text.split(",")})


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "--models",
        type=models,
        default=list(MODELS),
        metavar="A,B",
        help="The models whose data sets are evaluated, by their directories (default: all).",
    )
    add(
        "--times",
        type=sizes,
        default=[1, 2, 5, 10],
        metavar="N,M",
        help="The sizes, as multiples of the data set's (default: 1,2,5,10). What the memory that is free cannot hold is "
        "left out, which the table says.",
    )
    add(
        "--queries",
        action="store_true",
        help="Let PCB's queries grow with its gallery. Their distances then take times x times as long: at 10 times the "
        "size some 30 minutes of CPU time and 10 GB.",
    )
    add(
        "--time-limit",
        type=cli.number(1),
        default=900.0,
        metavar="S",
        help="The seconds that one size may take, making its data up included (default: %(default)g).",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="The directory that growth.md, growth.json and growth.svg are written to (default: none).",
    )
    options = arguments.parse_args(argv)
    if options.queries:
        os.environ["ALL_QUERIES"] = "1"  # which the processes inherit

    text = f"# How evaluation grows\n\n{machine_line()}\n"
    print(text)
    titles, growths = {}, []
    for name in options.models:
        cli.announce(f"{name}: evaluating at {', '.join(map(str, options.times))} times the size")
        facts = read_facts(ROOT / name)
        titles[name] = f"{facts.title}, {facts.accuracy.dataset}"
        growths.append(measure(name, options.times, options.time_limit))
        part = growth_page.tables(growths[-1], titles[name])
        text += f"\n{part}"
        print(part)
        if options.out:  # after each model: an interruption leaves the others
            found = {growth.model: growth_page.as_json(growth) for growth in growths}
            write(options.out, "growth", text, {"models": found})
            growth_page.plot(options.out / "growth.svg", growths, titles)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
