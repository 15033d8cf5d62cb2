"""How fast the host's side of each network is: each stage alone, and what one process delivers to a device.

python benchmarks/host.py
python benchmarks/host.py --models faceboxes,pcb --out figures --check

Per model, three tables. Each stage alone on one core, in CPU milliseconds per image, beside what the published scripts
take and beside the same work in bare calls of the libraries; "two threads" is the share of twice one thread's work that
two threads do. Then what is done with a whole data set. Last, with a network that takes no time, what one process
delivers from the pictures to the results, in memory (stream) and through the files that the NPU's tools read and write
(files), with one worker on one core and with two on two; and how many cores that means for the fastest device that the
guide has figures of. PASS: 8 cores are enough, and all stages together are 5 times as fast as the original or more.

All pictures and network outputs are made up. Nothing else should run meanwhile; CPU times bear it best. Files are
written to the temporary directory, 1 GB at the most at a time: TMPDIR names another file system.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import cli
from common.kernel import cpus
from host_tables import judge, tables
from inputs import MODELS, load, models
from inputs.original import MACHINE
from routes import measure_routes
from stages import measure_stages
from timing import isolated, machine_line, write
from whole_sets import make, measure_evaluation, measure_whole

WORKERS = (1, 2)


def measure(name: str, seconds: float, *, threaded: bool) -> dict[str, Any]:
    """Return all figures of a model; `threaded` says that its evaluation is measured on all cores as well as on one."""
    cores = len(cpus())
    cli.announce(f"{name}: each stage alone")
    found: dict[str, Any] = {"stages": isolated(measure_stages, name, seconds, threads=1)}
    cli.announce(f"{name}: what one process delivers")
    found["routes"] = {
        workers: isolated(measure_routes, name, seconds, workers, threads=1)
        for workers in WORKERS
        if workers <= cores
    }
    cli.announce(f"{name}: a whole data set")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        isolated(make, name, work)
        threads = sorted({1, cores}) if threaded else [1]
        found["evaluation"] = {n: isolated(measure_evaluation, name, work, n, threads=n) for n in threads}
        found["whole"] = {n: isolated(measure_whole, name, work, n, threads=n) for n in threads}
    return found


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "--models",
        type=models,
        default=list(MODELS),
        metavar="A,B",
        help="The models to measure, by their directories (default: all).",
    )
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="The directory that host.md and host.json are written to (default: none).",
    )
    add(
        "--seconds",
        type=float,
        default=0.5,
        metavar="S",
        help="How long each figure is measured at least (default: %(default)s; all five models then take some minutes).",
    )
    add("--check", action="store_true", help="End with exit status 1 where a model's verdict is FAIL.")
    options = arguments.parse_args(argv)

    text = f"# The host's side\n\n{machine_line()}\n\n{MACHINE}\n"
    print(text)
    measured: dict[str, Any] = {}
    failed = []
    for name in options.models:
        model = load(name)
        found = measure(name, options.seconds, threaded=model.THREADED)
        found["verdicts"] = judge(model, found)
        part = tables(model, found)
        measured[name] = found
        failed += [name] if not all(each["pass"] for each in found["verdicts"].values()) else []
        text += f"\n{part}"
        if options.out:  # after each model: an interruption leaves the others
            write(options.out, "host", text, {"models": measured})
        print(part)
    print(f"FAIL: {', '.join(failed)}" if failed else "PASS: all of them")
    return 1 if failed and options.check else 0


if __name__ == "__main__":
    raise SystemExit(main())
