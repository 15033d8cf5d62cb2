"""Offline inference over preprocessed .bin files, with the files the NPU's `benchmark` tool reads and writes.

    python -m common.infer --model faceboxes-b0.onnx --input faceboxes_prep_bin.info --out result

For each input `<stem>.bin` it writes `OUT/dumpOutput_device0/<stem>_<k>.bin`, k counting the model's outputs
from 1, and one summary `OUT/perf_vision_batchsize_<N>_device_0.txt`. Run again after an interruption, it goes on
with the inputs whose results are not complete; the summary is then that of all runs together, from
`OUT/performance.json`, and says what it covers.

    python -m common.infer --model d0_modify.onnx --loop 200 --batch-size 1 --provider cuda --out result_gpu

runs random input instead, the network alone ("pure inference"), and writes `OUT/pure_infer_batchsize_<N>.txt`.

    python -m common.infer --tool auto --model faceboxes-b0_bs1.om --input faceboxes_prep_bin.info --out result

has one of the NPU's own tools do it, with its own figures in place of the summary; the results lie in the same place and
have the same names, whichever tool it is. Without --tool, an .om file is run in this process.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common import alone, cli, rehearsal
from common.backends.base import choose_batch_size, emulation_of
from common.backends.deployed import Runtime, add_backend, chosen_runtime, open_model
from common.backends.emulation import chosen
from common.backends.om import check_precision, precision_of
from common.engine.repeat import check_batch_size, repeat
from common.engine.result_files import FORMATS, begin, infer, result_paths, write_output
from common.engine.shard import add_shard
from common.errors import GuideError
from common.facts import read_facts
from common.files import file_hash
from common.graph.aipp_file import add_aipp, chosen_aipp
from common.graph.external import network_hash
from common.graph.outline import only_input
from common.npu_files.inputs import add_input, check_sizes, inputs_of
from common.npu_files.results import DEVICE_FOLDER
from common.npu_files.summary import Part, add_part, write_parts, write_pure
from common.npu_tools import runner
from common.npu_tools.om_job import batch_size_of, describe
from common.npu_tools.staged import Store


def _model_hash(path: Path) -> str:
    return file_hash(path) if path.suffix == ".om" else network_hash(path)


def _use_tool(options: argparse.Namespace, paths: Sequence[Path]) -> None:
    """Have one of the NPU's tools run the inputs whose results are missing, or made-up data."""
    runtime, out, suffix = (
        Runtime(options.backend, options.provider, options.device, options.precision, chosen(options)),
        options.out,
        options.output_format,
    )
    if runtime.backend_of(options.model) != "om":
        raise GuideError(f"{options.model}: --tool runs an .om file; make it with python -m common.atc.")
    check_precision(options.model, runtime.precision)
    facts, aipp = read_facts(Path()), chosen_aipp(options.aipp)
    om, program = describe(options.model, facts, aipp), runner.find(options.tool, Path())
    batch_size = batch_size_of(om, facts, options.batch_size)
    devices, quiet = runtime.devices or (0,), options.give_up
    alone.take(out)
    if options.loop:
        runner.run_pure(program, om.job(batch_size, loops=options.loop), devices, out, quiet)
        return
    check_sizes(paths, om.image)
    rehearsed = rehearsal.is_rehearsed_om(om.path)
    this = {
        "model": _model_hash(om.path),
        "backend": f"om by {program.tool.name}" + (f" {rehearsal.SUFFIX}" if rehearsed else ""),
        "precision": rehearsal.precision(om.path) if rehearsed else precision_of(om.record),
        "aipp": repr(aipp),
        "format": suffix,
    }
    store = Store(
        om.shapes,
        om.half,
        lambda stem: result_paths(out / DEVICE_FOLDER, stem, len(om.shapes), suffix),
        write_output,
    )
    if saved := runner.salvage(out, store):
        print(f"{out}: found whole results of {cli.counted(saved, 'input')} that a run left which was killed")
    todo = begin(paths, out, this, len(om.shapes))
    if todo:
        binary = suffix == "bin" or not program.tool.writes_text
        job = om.job(batch_size, binary=binary)
        runner.run_inputs(program, job, devices, {path.stem: path for path in todo}, out, store, quiet)


def _results(out: Path, run: dict[str, Any]) -> Iterator[Path]:
    """Return the files with the first output of each input."""
    return (out / DEVICE_FOLDER).glob(f"[!.]*_1.{run['format']}")


def _note(backend: str, precision: str) -> str:
    """Return the line below a summary: what its figures are not those of, float32 on a real device."""
    if backend.endswith(rehearsal.SUFFIX):
        return rehearsal.NOTE
    return "" if precision == "float32" else f"[model] {backend}, {precision}"


def _summarise(out: Path, run: dict[str, Any], part: Part, *, goes_on: bool) -> None:
    """Write and print the performance of this part and of those before it."""
    parts = add_part(out / "performance.json", run, part, goes_on=goes_on)
    perf = out / f"perf_vision_batchsize_{part.batch_size}_device_0.txt"
    print(
        write_parts(perf, parts, sum(1 for _ in _results(out, run)), _note(run["backend"], run["precision"])),
        end="",
    )
    runs = f" in {len(parts)} runs" if len(parts) > 1 else ""
    print(f"{perf}: performance of {cli.counted(sum(part.inputs for part in parts), 'input')}{runs}")


def _measure_pure(options: argparse.Namespace) -> None:
    """Run a random batch `--loop` times, print and write how long it took."""
    alone.take(options.out)
    runtime, size = chosen_runtime(options), options.batch_size or 1
    with open_model(options.model, runtime, chosen_aipp(options.aipp), batch_size=size) as deployed:
        batch_size = check_batch_size(deployed, options.batch_size)
        first, seconds = repeat(deployed, batch_size, options.loop)
        what = f"{options.model.name}, {deployed.name}, {deployed.precision}, random input, first call {first:.3g} s not counted"
    path = options.out / f"pure_infer_batchsize_{batch_size}.txt"
    # What ran stands in the summary anyway.
    print(write_pure(path, batch_size, seconds, what, _note(deployed.name, "float32")), end="")
    print(
        f"{path}: {cli.counted(len(seconds), 'call')} with {cli.counted(batch_size, 'image')} each, after one to warm up"
    )


def _use_model(options: argparse.Namespace, paths: Sequence[Path]) -> None:
    """Run the inputs whose results are missing through a model that is opened here."""
    aipp, runtime, size = chosen_aipp(options.aipp), chosen_runtime(options), options.batch_size or 1
    at_once = -(-len(paths) // size)
    with open_model(options.model, runtime, aipp, batch_size=size, at_once=at_once) as deployed:
        image = only_input(deployed.inputs, options.model)
        batch_size = choose_batch_size(deployed, options.batch_size)
        check_sizes(paths, image)
        this = {
            "model": _model_hash(options.model),
            "backend": deployed.name,
            "precision": deployed.precision,
            "aipp": repr(aipp),
            "format": options.output_format,
            **({"emulation": emulation_of(deployed)} if emulation_of(deployed) else {}),
        }
        alone.take(options.out)
        todo = begin(paths, options.out, this, len(deployed.outputs))
        if todo:
            summarise = partial(_summarise, options.out, this, goes_on=any(_results(options.out, this)))
            infer(deployed, todo, options.out, batch_size, options.output_format, summarise)


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Run a model over preprocessed .bin files and write one result file per input and output.

    The results are what the NPU's benchmark tool writes, so that postprocess.py reads both alike. With --loop, random
    input is run and only timed.
    """
    arguments = cli.parser(main.__doc__, prog="python -m common.infer")
    add = arguments.add_argument
    add(
        "--model",
        type=Path,
        required=True,
        metavar="F",
        help="The model to run, an .onnx file or an .om file.",
    )
    source = arguments.add_mutually_exclusive_group(required=True)
    add_input(source, required=False)
    source.add_argument(
        "--loop",
        type=cli.positive_int,
        metavar="N",
        help="Time N calls on a random batch instead, after one to warm up.",
    )
    add("--out", type=Path, required=True, metavar="DIR", help="The directory the results are written to.")
    cli.add_batch_size(arguments)
    add_backend(arguments)
    add(
        "--tool",
        choices=(runner.AUTO, *runner.TOOLS),
        help="Have one of the NPU's tools run an .om file, in the model's directory: benchmark, ais_infer.py with frontend/ "
        "beside model.toml, ais_bench, msame; auto takes the first of them that is installed (default: none, the .om file "
        "is run in this process).",
    )
    add(
        "--give-up",
        type=cli.number(1),
        default=runner.QUIET,
        metavar="SECONDS",
        help="End a tool that prints nothing for so long (default: %(default)g).",
    )
    add("--output-format", choices=FORMATS, default="bin", help="Raw bytes or text (default: bin).")
    add_aipp(arguments)
    add_shard(arguments)
    options = arguments.parse_args(argv)
    if options.loop and options.shard:
        arguments.error("--shard is for --input; --loop runs random input")
    if options.loop:
        _use_tool(options, []) if options.tool else _measure_pure(options)
        return 0

    paths = inputs_of(options.input, options.shard)
    if not paths:
        print(f"{options.input}: none of its inputs belongs to shard {options.shard}; nothing to do")
        return 0
    if options.tool:
        _use_tool(options, paths)
    else:
        _use_model(options, paths)
    print(f"{options.out / DEVICE_FOLDER}: results of {cli.counted(len(paths), 'input')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
