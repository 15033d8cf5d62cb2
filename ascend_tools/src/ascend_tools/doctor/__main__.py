"""What this machine has and lacks for the way to the NPU.

    python -m ascend_tools.doctor
    python -m ascend_tools.doctor --json > here.json
    python -m ascend_tools.doctor --compare there.json

Only what Python itself has is imported before the checks are made: a package that is broken is one of their lines.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ascend_tools.doctor import chips, compare, matrix, probes, text, tiny
from ascend_tools.doctor.check import Check, Level
from ascend_tools.doctor.run import Timed, run
from common import cli, rehearsal
from common.errors import GuideError
from common.files import check_regular
from common.npu_tools import smi_table
from common.npu_tools.printouts import decode
from common.npu_tools.smi_chips import Table

_MOST = 16 << 20  # bytes of a saved table; one has some thousand


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Say what this machine has and lacks for the way to the NPU, line by line, with what to do.

    A line is ok, missing or wrong; optional ones do not close the way to the NPU. Below them, a matrix says which ways each
    model directory is ready for: export, ONNX Runtime, ATC, OM and what else is here; a number stands for the one command
    that makes it so. The exit status is 0 if the way to the NPU is open, else 1.
    """
    options = _parse(argv)
    other = compare.read(options.compare) if options.compare else None
    table = _table(options.npu_smi) if options.npu_smi else None
    places = matrix.folders(options.folders) if table is None else []
    is_quiet = options.json or other is not None
    if rehearsal.is_active() and table is None and not is_quiet:
        print(rehearsal.NOTE, flush=True)
    found: list[Timed] = []
    with _workspace() as folder, closing(_looked_at(options.level, folder, table)) as looked_at:
        for timed in looked_at:
            if not is_quiet:
                _show(timed, found[-1].check if found else None)
            found.append(timed)
        rows = matrix.rows(places, [each.check for each in found], options.level)
    checks = [each.check for each in found]
    record = _record(options.level, found, rows, options.npu_smi)
    if options.json:
        if other is not None:
            record["compared"] = {"host": other["host"], "differences": compare.differences(record, other)}
        print(json.dumps(record, indent=2, default=str))
    elif other is not None:
        print("\n".join(compare.text(record, other)))
    else:
        if rows:
            print("\n" + "\n".join(text.table(rows)))
        print(f"\n{text.verdict(checks) if table is None else text.verdict_of_table(checks)}")
    return 0 if record["open"] else 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    arguments = cli.parser(main.__doc__, prog="python -m ascend_tools.doctor")
    add = arguments.add_argument
    add(
        "folders",
        type=Path,
        nargs="*",
        metavar="DIR",
        help="Model directories for the matrix (default: the one you stand in, else all below it).",
    )
    level = arguments.add_mutually_exclusive_group()
    level.add_argument(
        "--quick",
        dest="level",
        action="store_const",
        const=Level.QUICK,
        help="Only what takes a second or two: files, settings, npu-smi.",
    )
    level.add_argument(
        "--full",
        dest="level",
        action="store_const",
        const=Level.FULL,
        help="Also run a tiny network through each way that is ready, and say how much its results differ; it takes minutes.",
    )
    add("--json", action="store_true", help="Print one JSON object in place of the lines.")
    add(
        "--compare",
        type=Path,
        metavar="OTHER.json",
        help="Print only what differs from what --json printed on another machine.",
    )
    add(
        "--npu-smi",
        type=Path,
        metavar="FILE",
        help="Read a saved table of `npu-smi info`, `-` for standard input, in place of asking this machine; nothing else is "
        "looked at. The exit status is 0 if it shows chips that can be used.",
    )
    options = arguments.parse_args(argv)
    if options.npu_smi and (options.level is not None or options.folders or options.compare):
        arguments.error("--npu-smi is about a table alone: without DIR, --quick, --full and --compare")
    options.level = Level.DEFAULT if options.level is None else options.level
    return options


def _table(path: Path) -> Table:
    """Read a saved table."""
    if str(path) == "-":
        content = sys.stdin.buffer.read(_MOST + 1)
    else:
        check_regular(path)
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    if len(content) > _MOST:
        raise GuideError(f"{path}: has more than {_MOST >> 20} MB, and no table of npu-smi has; name one.")
    return smi_table.read(decode(content))


@contextmanager
def _workspace() -> Iterator[Path | OSError]:
    """Give a directory for what children leave behind, their TMPDIR, which is removed in the end; or why there is none."""
    try:
        made = tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True)
    except OSError as error:
        yield error
        return
    before = os.environ.get("TMPDIR")
    with made as folder:
        os.environ["TMPDIR"] = folder
        try:
            yield Path(folder)
        finally:
            os.environ.pop("TMPDIR")
            if before is not None:
                os.environ["TMPDIR"] = before


def _looked_at(level: Level, folder: Path | OSError, table: Table | None) -> Generator[Timed, None, None]:
    """Yield what is found on this machine, each line as soon as it is there, or what a saved table says."""
    if table is not None:
        yield from (Timed(check, 0.0) for check in chips.of_table(table))
        return
    cli.announce("looking at this machine")
    found: list[Timed] = []
    with closing(run(probes.MACHINE, level)) as several:
        for timed in several:
            found.append(timed)
            yield timed
    if level is Level.FULL:
        cli.announce("running a tiny network through each way that is ready")
        checks = [each.check for each in found]
        ways = tiny.without_folder(folder) if isinstance(folder, OSError) else tiny.probes(checks, folder)
        with closing(run(ways, level)) as several:
            yield from several


def _show(timed: Timed, before: Check | None) -> None:
    """Print a line, below the heading of its group where it is the first of it."""
    check = timed.check
    if before is None or before.group != check.group:
        print(("\n" if before else "") + check.group)
    print("\n".join(text.lines(check, colours=text.has_colours())), flush=True)


def _record(
    level: Level, found: Sequence[Timed], rows: Sequence[matrix.Row], saved: Path | None
) -> dict[str, Any]:
    """Return all as `--json` prints it."""
    details = {each.check.id: each.check.details for each in found}
    record: dict[str, Any] = {
        "format": compare.FORMAT,
        "host": socket.gethostname(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "system": platform.platform(),
        "level": level.name.lower(),
        "open": not text.in_the_way([each.check for each in found]),
        "chips": list(details.get("npu.chips", {}).get("chips", ())),
        "processes": list(details.get("npu.in-use", {}).get("processes", ())),
        "checks": [
            {
                "id": each.check.id,
                "title": each.check.title,
                "status": each.check.status.value,
                "found": each.check.found,
                "remedy": each.check.remedy,
                "required": each.check.required,
                "details": dict(each.check.details),
                "seconds": round(each.seconds, 3),
            }
            for each in found
        ],
        "models": [row.as_json() for row in rows],
    }
    if saved is not None:
        record["npu_smi"] = str(saved)
    elif rehearsal.is_active():
        record["rehearsal"] = rehearsal.NOTE
    return record


if __name__ == "__main__":
    raise SystemExit(main())
