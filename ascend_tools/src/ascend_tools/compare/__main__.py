"""A model in another precision beside float32, over the same inputs: its outputs, and with --nodes every node.

    python -m ascend_tools.compare --model d0.onnx --input prep_bin.info --limit 8 --against float16-emulated --nodes

Both sides run over the same inputs; the base is ONNX Runtime in float32. With --nodes every float tensor of the graph
becomes an output in turn, in parts (`parts`), and is looked at on both sides (`nodes`).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ascend_tools import plot_files
from ascend_tools.compare import plot, run, text
from ascend_tools.compare.nodes import Apart, first_apart, most_added
from ascend_tools.compare.sides import AGAINST, Against, rounding
from common import alone, cli
from common.backends.emulation import soc_version
from common.errors import GuideError
from common.files import write_json
from common.graph.aipp_file import add_aipp, chosen_aipp
from common.graph.external import network_hash
from common.npu_files.inputs import add_input, inputs_of
from common.report.emulated import EMULATED
from common.report.versions import versions

_ROWS = 12
_MULTIPLE = 64.0


def _option(told: str) -> tuple[str, str]:
    """Argument type: NAME=VALUE, as ATC writes it or without the hyphens."""
    name, equals, value = told.removeprefix("--").partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {told!r}")
    return name.replace("-", "_"), value


def _arguments(description: str | None) -> argparse.ArgumentParser:
    arguments = cli.parser(description, prog="python -m ascend_tools.compare")
    add = arguments.add_argument
    add("--model", type=Path, required=True, metavar="F", help="The model, an .onnx file.")
    add_input(arguments)
    add(
        "--against",
        choices=AGAINST,
        required=True,
        help=f"What float32 is compared with: om, on the NPU, an OM file that ATC makes of the model; {EMULATED}, half "
        "precision as an NPU computes in it, on any CPU; bfloat16, by OpenVINO on a CPU that has it; openvino, OpenVINO "
        "in float32.",
    )
    add(
        "--nodes",
        action="store_true",
        help="Look at every node, too: where both sides part, which nodes add most, and a plot of both. It runs the network "
        "several times for each input; a few inputs tell (--limit 4). With --against om several OM files are made, which "
        "stay in OUT/om for the next time.",
    )
    add(
        "--out",
        type=Path,
        default=Path("compare"),
        metavar="DIR",
        help="The directory the results are written to (default: %(default)s).",
    )
    cli.add_batch_size(arguments)
    add("--limit", type=cli.positive_int, metavar="N", help="Run only the first N inputs (default: all).")
    add(
        "--multiple",
        type=cli.number(1),
        default=_MULTIPLE,
        metavar="X",
        help="With --nodes: a node is off, or adds, where the root mean square of its differences, divided by that of the "
        "tensor itself, is more than X times the precision's rounding, 2^-11 for half precision, 2^-8 for bfloat16, 2^-24 for "
        "float32 (default: %(default)g).",
    )
    add(
        "--top",
        type=cli.positive_int,
        default=_ROWS,
        metavar="N",
        help="With --nodes: print at most N nodes in each table; compare.json has all (default: %(default)s).",
    )
    add("--om", type=Path, metavar="F", help="With --against om: an OM file that is there, for the outputs.")
    add(
        "--soc-version",
        type=soc_version,
        metavar="S",
        help=f"With --against om or {EMULATED}: the chip, for example Ascend310P3. 310, 310P, 310B and the first 910 only "
        "saturate where numbers leave half precision's range; 910B and later make them infinite (default: what `npu-smi "
        "info` says; for the emulation as the guides' chips).",
    )
    add(
        "--option",
        type=_option,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"With --against om: an option of ATC, taken before that of model.toml; with {EMULATED} one of those that "
        "decide precision, such as precision_mode=allow_mix_precision; NAME= leaves it out; may be repeated.",
    )
    add_aipp(arguments)
    return arguments


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Compare a model in another precision with float32, over the same inputs: its outputs, and with --nodes every node.

    The base is ONNX Runtime in float32. Of each output the largest and the mean difference are told, also in units of the
    output's own spread (the standard deviation of all its values), the cosine of the angle between both, and how many
    values left the range. With --nodes the first nodes where both sides part, and those that add most, are told and drawn
    along the graph. All is written to OUT/compare.json, the plot to OUT/nodes.svg and nodes.png. Differences are no
    failure: the exit status is then 0.
    """
    options = _arguments(main.__doc__).parse_args(argv)
    against = Against(
        options.against,
        aipp=chosen_aipp(options.aipp),
        om=options.om,
        soc_version=options.soc_version,
        options=dict(options.option),
    )
    paths = inputs_of(options.input)[: options.limit]
    if options.model.suffix == ".om":
        raise GuideError(
            f"{options.model}: --model is the .onnx file; name the .om with --against om --om F."
        )
    against.check(nodes=options.nodes)
    alone.take(options.out)
    plot_files.remove(options.out / "nodes")
    found = run.outputs(options.model, against, paths, options.batch_size, options.out)
    report: dict[str, Any] = {
        "model": str(options.model),
        "sha256": network_hash(options.model),
        "against": options.against,
        "base": found.base,
        "other": found.other,
        "inputs": len(paths),
        "batch_size": found.batch_size,
        "outputs": {
            name: {
                **asdict(each),
                "apart": each.apart,
                "largest_relative": each.relative(each.largest),
                "mean_relative": each.relative(each.mean),
            }
            for name, each in found.outputs.items()
        },
        "versions": versions(),
    }
    path = options.out / "compare.json"
    write_json(path, _plain(report))
    print(f"{found.other}, beside {found.base}, on {cli.counted(len(paths), 'input')}:")
    print("\n".join(text.outputs(found.outputs)))
    if options.nodes:
        bound = options.multiple * rounding(found.precision)
        graph = run.nodes(options.model, against, paths, found.batch_size, options.out)
        first, added = first_apart(graph.nodes, bound), most_added(graph.nodes, bound)
        report["nodes"] = {
            "multiple": options.multiple,
            "rounding": rounding(found.precision),
            "bound": bound,
            "measure": text.MEASURE,
            "part": [each.node for each in first],
            "add": [each.node for each in added],
            "not_compared": graph.skipped,
            "all": [{**asdict(each), "adds": each.adds} for each in graph.nodes],
        }
        write_json(path, _plain(report))
        _conclude(options, graph, first, added, bound, found)
    print(f"{path}: {cli.counted(len(found.outputs), 'output')} on {cli.counted(len(paths), 'input')}")
    return 0


def _conclude(
    options: argparse.Namespace,
    graph: run.Graph,
    first: Sequence[Apart],
    added: Sequence[Apart],
    bound: float,
    found: run.Outputs,
) -> None:
    """Draw the nodes, and print both tables."""
    drawn: list[Path] = []
    if graph.nodes:
        title = f"{options.model.name}: {found.other} beside float32, {cli.counted(found.batch_size, 'input')} a batch"
        drawn = plot.write(options.out / "nodes", graph.nodes, first, added, bound, title)
    times = f"{options.multiple:g} times the rounding to {found.precision}, {rounding(found.precision):.3g}"
    print(f"\nbound: {bound:.3g} of a tensor's root mean square, {times}")
    print(text.verdict(graph.nodes, first, added))
    if first:
        print("\nthe first nodes where both sides part:")
        print("\n".join(text.nodes(first, options.top)))
    if first or added:
        most = added or most_added(graph.nodes)[: options.top]
        print(f"\nthe nodes that add most{'' if added else ', none of them more than the bound'}:")
        print("\n".join(text.nodes(most, options.top)))
        print(text.MEASURE)
    if graph.skipped:
        told = [f"{node} ({why})" for node, why in graph.skipped.items()]
        print(f"not compared: {cli.counted(len(told), 'node')}: {cli.shorten(told)}")
    for each in drawn:
        print(f"{each}: the nodes along the graph")


def _plain(value: Any) -> Any:
    """Return what JSON can hold: infinity becomes None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    raise SystemExit(main())
