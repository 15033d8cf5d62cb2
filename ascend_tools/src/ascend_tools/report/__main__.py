"""A page of what a run measured: verdict, figures, curves, worst cases and provenance in one file; or runs side by side.

python -m ascend_tools.report output
python -m ascend_tools.report torch/metrics.json npu/metrics.json --accept 1% --out comparison
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ascend_tools.report import compare
from common import cli
from common.files import write_text
from common.report.metrics_json import FILE

PAGE = "report.html"


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Make OUT/report.html of what evaluate.py or postprocess.py has left in OUT; nothing is run again.

    The page is one file without outside references. It is made of metrics.json, of OUT/details and of the pictures that
    these name; a picture that is not there any more is told of on the page.

    Of several runs, what differs between each and the first one is told, and whether that is more than chance; with --out
    there is a page of it, too.
    """
    arguments = cli.parser(main.__doc__, prog="python -m ascend_tools.report")
    arguments.add_argument(
        "runs",
        nargs="+",
        type=Path,
        metavar="OUT",
        help="The directory (--out) of a run, or its metrics.json.",
    )
    compare.add_arguments(arguments)
    options = arguments.parse_args(argv)
    if len(options.runs) > 1:
        return compare.compare(options.runs, options.accept, options.out)
    if options.out or options.accept is not None:
        arguments.error(
            "--out and --accept are for several runs; the page of one is written beside its metrics.json"
        )

    from ascend_tools.report.page import page
    from ascend_tools.report.read import read_run

    (named,) = options.runs
    folder = named.parent if named.name == FILE else named
    target = folder / PAGE
    write_text(target, page(read_run(folder)))
    print(f"{target}: the report")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
