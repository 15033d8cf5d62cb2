"""What a network does per second on what this machine has, beside the figures that its guide documents.

python -m ascend_tools.benchmark --batch-sizes 1,8
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.errors import GuideError
from common.facts import read_facts
from common.threads import cores

_MEASURING = ("model", "backends", "batch_sizes", "data", "rounds", "seconds", "longest", "workers")
_READING = ("chips", "batch_size")
_MOST = 4096  # images per call, rounds; more is a slip of the keyboard


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Measure the throughput of the model directory you stand in, with every backend that is at hand.

    Each backend is measured in rounds, in a process of its own each time: pure inference, with real inputs that change
    from call to call, and end to end, from picture files to results. The table has, for each batch size, the median of the
    rounds with its noise, the times of the calls, the stage that limits it, the ratios to the figures that the guide
    documents, and whether the row is VALID; below stand the reasons why it is not. Outputs are compared with those of ONNX
    Runtime on the CPU in the same run. Written are benchmark.json, benchmark.md, benchmark.svg and benchmark.png.

    With --read, what benchmark, ais_infer, ais_bench, msame and trtexec printed is read instead, anywhere, into one table.

    The exit status is 1 where a row is INVALID, outputs differ, or a ratio that the guide asks for is not reached. With
    --read it is 0 if every file could be read, whatever it says.
    """
    arguments = _arguments(main.__doc__)
    options = arguments.parse_args(argv)
    if options.read:
        _refuse(arguments, options, _MEASURING, "is for measuring, and not for --read")
        from ascend_tools.benchmark import reading

        asked = reading.Asked(
            tuple(options.read), options.device, options.chips, options.batch_size, options.out
        )
        return reading.read(asked, as_json=options.json)
    _refuse(arguments, options, _READING, "is about a printout: name it with --read LOG")
    return _measure(options, sys.argv[1:] if argv is None else argv)


def _refuse(
    arguments: argparse.ArgumentParser, options: argparse.Namespace, names: Sequence[str], why: str
) -> None:
    for name in names:
        if getattr(options, name) is not None:
            arguments.error(f"--{name.replace('_', '-')} {why}")


def _measure(options: argparse.Namespace, argv: Sequence[str]) -> int:
    """Measure what the options ask for; what is wrong with them is told before anything takes time."""
    facts = read_facts(Path())
    for path in options.model or ():
        if path.suffix not in (".onnx", ".om"):
            raise GuideError(f"--model {path}: expected an .onnx or an .om file.")
        if not path.is_file():
            raise GuideError(
                f"--model {path}: no such file. Make it with python pth2onnx.py or python -m common.atc."
            )
    if options.data and not options.data.exists():
        raise GuideError(
            f"--data {options.data}: no such file or directory; expected the data set as its owners pack it."
        )

    from ascend_tools.benchmark import run
    from ascend_tools.benchmark.plan import Plan

    default = Plan(Path(), facts, Path())
    plan = Plan(
        folder=Path(),
        facts=facts,
        out=options.out or Path("benchmark"),
        models=tuple(options.model or ()),
        backends=options.backends or (),
        batch_sizes=options.batch_sizes or default.batch_sizes,
        data=options.data,
        devices=_devices(options.device),
        rounds=options.rounds or default.rounds,
        seconds=options.seconds or default.seconds,
        longest=options.longest or default.longest,
        workers=options.workers or cores(),
    )
    return run.measure(plan, argv, as_json=options.json)


def _arguments(description: str | None) -> argparse.ArgumentParser:
    """Return the parser; what is not given is None, so that options for the other use can be told."""
    arguments = cli.parser(description, prog="python -m ascend_tools.benchmark")
    add = arguments.add_argument
    add(
        "--model",
        nargs="+",
        type=Path,
        metavar="F",
        help="The ONNX and OM files to measure (default: what lies in the model directory and in output/, and OM files of it, "
        "converted first where ATC is there).",
    )
    add(
        "--backends",
        type=_names,
        metavar="NAME[,NAME...]",
        help="What to measure: onnxruntime, openvino, openvino-bfloat16, openvino-float16, om, trtexec, torch, "
        "onnxruntime-cuda and so on (default: all that are at hand).",
    )
    add(
        "--batch-sizes",
        type=_sizes,
        metavar="N[,N...]",
        help="Images per call, as in 1,8 (default: the batch sizes of the guide's table).",
    )
    add(
        "--data",
        type=Path,
        metavar="DIR",
        help="The data set, as its owners pack it, whose pictures are the inputs (default: the model's sample pictures).",
    )
    add(
        "--device",
        metavar="N[,N...]",
        help="The NPU's devices, by the column Device of npu-smi info, that run an .om file together (default: 0). With --read: "
        "what the files were measured on, 310, 310P, T4, GPU, CPU, or another name together with --chips.",
    )
    add(
        "--rounds",
        type=_count,
        metavar="N",
        help="How often everything is measured; 3 at least for a row that can be VALID (default: 5).",
    )
    add(
        "--seconds",
        type=cli.number(0.01, 86400),
        metavar="S",
        help="For how many seconds each figure of a round is measured; three calls are made at least (default: 2).",
    )
    add(
        "--longest",
        type=cli.number(0.001, 86400),
        metavar="S",
        help="Batch sizes above the smallest, a call of which takes more seconds than this, are left out (default: 2).",
    )
    add(
        "-j",
        "--workers",
        type=cli.positive_int,
        metavar="N",
        help="How many threads prepare pictures, and as many finish them, end to end (default: one per CPU).",
    )
    add(
        "--read",
        nargs="+",
        type=Path,
        metavar="LOG",
        help="Files that benchmark, ais_infer, ais_bench, msame, trtexec or evaluate.py printed or wrote, to be read and not "
        "measured. In a model directory, and with --device, they stand beside the documented figures.",
    )
    add(
        "--chips",
        type=_count,
        metavar="N",
        help="With --read: how many chips a card has (default: 4 for a 310, else 1).",
    )
    add(
        "--batch-size",
        type=_count,
        metavar="N",
        help="With --read: images per call, of files that do not say it.",
    )
    add(
        "--out",
        type=Path,
        metavar="PATH",
        help="The directory to write to (default: benchmark). With --read: a JSON file, beside which the table and the plot "
        "are written (default: none is).",
    )
    add(
        "--json", action="store_true", help="Print the record as one JSON object, and nothing else on stdout."
    )
    return arguments


def _count(text: str) -> int:
    """Argument type: a whole number from 1."""
    value = cli.positive_int(text)
    if value > _MOST:
        raise argparse.ArgumentTypeError(f"expected at most {_MOST}, got {text[:20]!r}")
    return value


def _sizes(text: str) -> tuple[int, ...]:
    """Argument type: batch sizes, joined by commas, each once."""
    sizes = [_count(word.strip()) for word in text.split(",")]
    if len(set(sizes)) < len(sizes):
        raise argparse.ArgumentTypeError(f"expected each batch size once, got {text!r}")
    return tuple(sizes)


def _names(text: str) -> tuple[str, ...]:
    """Argument type: names of backends, joined by commas."""
    names = tuple(dict.fromkeys(word.strip() for word in text.split(",")))
    if not all(names):
        raise argparse.ArgumentTypeError(f"expected names joined by commas, got {text!r}")
    return names


def _devices(text: str | None) -> tuple[int, ...]:
    """Return the numbers of the NPU's devices."""
    words = [word.strip() for word in text.split(",")] if text else []
    if not all(word.isascii() and word.isdigit() and len(word) <= 4 for word in words) or len(
        set(words)
    ) < len(words):
        raise GuideError(f"--device {text}: expected numbers of devices such as 0 or 0,1,2,3, each once.")
    return tuple(map(int, words))


if __name__ == "__main__":
    raise SystemExit(main())
