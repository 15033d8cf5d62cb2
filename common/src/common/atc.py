"""The guide's ATC command for the model directory one stands in: checked against the ONNX file, printed, run.

python -m common.atc --batch-size 1,4,8,16 --soc-version Ascend310P3 --dry-run
python -m common.atc --explain atc.log
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from common import cli, process, rehearsal
from common.errors import GuideError
from common.facts import Facts, read_facts
from common.files import json_text
from common.npu_tools import atc_lines, atc_log, convert, smi
from common.npu_tools.atc_command import JOB_TYPES, atc_command
from common.npu_tools.atc_options import LOG_LEVELS, doubts


def _batch_sizes(text: str) -> list[int]:
    """Argument type: batch sizes with commas between them; one that is repeated counts once."""
    return list(dict.fromkeys(cli.positive_int(size.strip()) for size in text.split(",")))


def _option(text: str) -> tuple[str, str]:
    """Argument type: NAME=VALUE, as ATC writes it or without the hyphens."""
    name, equals, value = text.removeprefix("--").partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name.replace("-", "_"), value


def _explain(log: Path, *, as_json: bool) -> int:
    """Print what a log says; a log that tells of a failure is no failure here."""
    explained = atc_log.explain(atc_lines.read(log))
    print(json_text(explained.as_json()).rstrip() if as_json else "\n".join(explained.lines()))
    return 0


def _convert_all(facts: Facts, options: argparse.Namespace) -> int:
    """Convert for each batch size; one that fails is told at the end and keeps no other from being done."""
    onnx = options.model or Path(facts.atc.onnx or facts.onnx)
    soc_version = options.soc_version or smi.soc_version()
    given = dict(options.option) | ({"log": options.log} if options.log else {})
    for doubt in doubts({name: str(value) for name, value in facts.atc.options.items()} | given, soc_version):
        print(f"note: {doubt}.", file=sys.stderr, flush=True)
    failed = {}
    for size in options.batch_size:
        try:
            command = atc_command(
                facts,
                onnx,
                size,
                soc_version,
                options=given,
                output=options.output and Path(options.output.replace("{batch_size}", str(size))),
                aoe=options.aoe,
            )
            if options.dry_run:
                print(process.quote(command.words))
                continue
            om, made = convert.run(command, force=options.force)
            ready = "to rehearse with, no NPU can load it" if rehearsal.is_rehearsed_om(om) else "for the NPU"
            batch = "several batch sizes" if command.batch_size is None else f"batch size {size}"
            print(f"{om}: {f'ready {ready}' if made else 'up to date'}, {batch}", flush=True)
        except GuideError as error:
            if len(options.batch_size) == 1 or not shutil.which("aoe" if options.aoe else "atc"):
                raise
            failed[size] = str(error)
            print(f"batch size {size}: {error}", file=sys.stderr, flush=True)
    if failed:
        done = [size for size in options.batch_size if size not in failed]
        raise GuideError(
            f"batch size {', '.join(map(str, failed))}: not converted, for the reasons above; "
            + (f"done: {', '.join(map(str, done))}." if done else "none was.")
        )
    return 0


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Convert the ONNX file of the model directory you stand in to OM files, with the guide's ATC command.

    Names, shapes, the AIPP file and the options in model.toml are checked against the ONNX file first. An OM file that
    was made from the same contents with the same options, chip and CANN is left alone. What ATC prints is kept in
    OUTPUT.atc.log; beside each OM file is a record of what it was made from, OUTPUT.om.json.

    With --explain, a log of ATC is read instead: what failed, all operators it names, and what to do.
    """
    arguments = cli.parser(main.__doc__, prog="python -m common.atc")
    add = arguments.add_argument
    add("--model", type=Path, metavar="F", help="The ONNX file (default: the one that model.toml names).")
    add(
        "--batch-size",
        type=_batch_sizes,
        default=[1],
        metavar="N[,N...]",
        help="Images per call, for each an OM file of its own (default: 1).",
    )
    add(
        "--soc-version",
        metavar="S",
        help="The chip, for example Ascend310P3 (default: what `npu-smi info` says).",
    )
    add(
        "--output",
        metavar="X",
        help="Where to write the OM file, without .om; {batch_size} stands for the batch size "
        "(default: what model.toml says).",
    )
    add(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="A further option of ATC, or another value for one of model.toml, for example "
        "precision_mode=must_keep_origin_dtype; NAME= leaves it out; may be repeated.",
    )
    add(
        "--aoe",
        choices=JOB_TYPES,
        help="Tune with AOE in place of ATC, on the NPU, for hours: subgraphs first, then operators.",
    )
    add("--log", choices=LOG_LEVELS, help="How much ATC is to say (default: what model.toml says).")
    add("--force", action="store_true", help="Convert even if the OM file is up to date.")
    add("--dry-run", action="store_true", help="Only check and print the command.")
    add("--explain", type=Path, metavar="LOG", help="Explain a log of ATC, `-` for standard input.")
    add("--json", action="store_true", help="With --explain: print one JSON object.")
    options = arguments.parse_args(argv)
    if options.json and not options.explain:
        arguments.error("--json: only with --explain")
    if options.explain:
        return _explain(options.explain, as_json=options.json)
    if options.output and len(options.batch_size) > 1 and "{batch_size}" not in options.output:
        arguments.error("--output: needs {batch_size} in it for several batch sizes")
    return _convert_all(read_facts(Path()), options)


if __name__ == "__main__":
    raise SystemExit(main())
