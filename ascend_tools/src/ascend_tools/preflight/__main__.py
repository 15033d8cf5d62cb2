"""What half precision would do to a network, and ATC to its file, before any NPU is touched.

    python -m ascend_tools.preflight --model d0.onnx --input prep_bin.info --batch-sizes 1,4 --limit 20
    python -m ascend_tools.preflight --find-list --model d0.onnx --input prep_bin.info --limit 4

The model runs in float32 on real inputs, node by node (`node_by_node`); what every node writes, reads, holds as a
constant and adds up inside is compared with the range of half precision (`half_range`, `range_findings`). What ATC may
refuse is read from the file alone (`atc_rules`). Format of the list: CANN documentation, ATC, --modify_mixlist.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from ascend_tools.preflight import list_command, list_options
from ascend_tools.preflight.atc_rules import Remark, remarks
from ascend_tools.preflight.half_range import LARGEST, SMALLEST, SMALLEST_NORMAL
from ascend_tools.preflight.node_by_node import NodeByNode, node_name
from ascend_tools.preflight.range_findings import KINDS, Finding, findings, measure, mix_list, table
from common import cli
from common.errors import GuideError, about
from common.facts import read_facts
from common.files import write_json, write_text
from common.graph.aipp_file import add_aipp, chosen_aipp
from common.graph.aipp_onnx import fold
from common.graph.bounds import INPUT
from common.graph.external import network_hash
from common.graph.outline import Value, describe, item_shape, load, only_input
from common.npu_files.inputs import add_input, check_sizes, inputs_of
from common.report.versions import versions
from common.threads import batches, map_threads

Array = NDArray[Any]
_OPSET = 11  # that of all guides
_ROWS = 20


def _batch_sizes(text: str) -> list[int]:
    """Argument type: whole numbers of at least 1, with commas between them."""
    return sorted({cli.positive_int(part) for part in text.split(",")})


def _load(path: Path, choice: str | None) -> tuple[onnx.ModelProto, list[Remark]]:
    """Return the model to run, with AIPP's meaning if there is an AIPP file, and the remarks on its own form."""
    model = load(path)
    here = Path()
    opset = read_facts(here).opset if (here / "model.toml").is_file() else _OPSET
    noted = remarks(model, describe(model), opset)
    aipp = chosen_aipp(choice)
    with about(path):
        return (fold(model, aipp) if aipp else model), noted


def _sizes(asked: Sequence[int] | None, image: Value) -> list[int]:
    """Return the batch sizes to run with: those asked for, else the model's own, else 1."""
    fixed = image.shape[0] if isinstance(image.shape[0], int) else None
    if fixed and asked and max(asked) > fixed:
        raise GuideError(f"the model was built for batches of {fixed}; --batch-sizes {max(asked)} is more.")
    sizes = list(asked or [fixed or 1])
    needed = max(sizes) * math.prod(item_shape(image)) * np.dtype(image.dtype).itemsize
    if needed > INPUT:
        raise GuideError(
            f"--batch-sizes {max(sizes)}: a batch has {needed} bytes, more than {INPUT}; ask for a smaller one."
        )
    return sizes


def _groups(paths: Sequence[Path], image: Value, size: int) -> Iterator[list[Array]]:
    """Yield `size` images at a time, the last one repeated where there are fewer than the model is to be run with."""
    shape = item_shape(image)
    whole = image.shape[0] if isinstance(image.shape[0], int) else size
    images = map_threads(lambda path: np.fromfile(path, image.dtype).reshape(shape), paths, 1)
    for group in batches(cli.progress(images, len(paths), f"batch size {size}"), size):
        yield group + [group[-1]] * (whole - len(group))


def _stacked(paths: Sequence[Path], image: Value, size: int) -> Iterator[Array]:
    """Yield batches of `size` images, see `_groups`."""
    return (np.stack(group) for group in _groups(paths, image, size))


def _conclude(found: Sequence[Finding], skipped: Sequence[str], out: Path) -> None:
    """Print the worst and the verdict, and write the mixed-precision list if an operator type belongs on it."""
    if found:
        print("\n".join(table(found, _ROWS)))
    nodes = {kind: {finding.node for finding in found if finding.kind == kind} for kind in KINDS}
    much = {f.node for f in found if f.kind == "vanishing" and f.tally.share(f.tally.vanishing) >= 0.01}
    print(
        f"half precision: {len(nodes['overflow'])} nodes leave the range, {len(nodes['close'])} come close to it, "
        f"{len(nodes['vanishing'])} hold numbers that vanish, {len(much)} of them more than 1 in 100"
    )
    if skipped:
        print(f"not measured: {len(skipped)} nodes: {cli.shorten(skipped)}")
    listed, nameless = mix_list(found)
    if nameless:
        print(f"not on the list, since ATC's name for them is not known here: {', '.join(nameless)}")
    path = out / "ops_info.json"
    if listed:
        write_text(path, json.dumps({"black-list": {"to-add": listed}}) + "\n")
        print(
            f"{path}: keeps {', '.join(listed)} in float32, with "
            f"--precision_mode=allow_mix_precision --modify_mixlist={path.name}"
        )
    else:
        earlier = f"; {path} is of an earlier run" if path.exists() else ""
        print(f"no operator type is put on a mixed-precision list, and none is written{earlier}")


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """Tell which nodes of a model leave the range of half precision on real inputs, and what ATC may refuse.

    It prints the worst, writes everything to OUT/preflight.json, and, if an operator type should stay in float32, the
    list for ATC's --modify_mixlist to OUT/ops_info.json. Findings are no failure: the exit status is then 0.

    With --find-list, the smallest such list is searched for in emulated half precision; OUT/find_list.json and
    OUT/find_list.svg say how it was found, and OUT/steps.jsonl keeps the steps.
    """
    arguments = cli.parser(main.__doc__, prog="python -m ascend_tools.preflight")
    add = arguments.add_argument
    add("--model", type=Path, required=True, metavar="F", help="The model, an .onnx file.")
    add_input(arguments)
    add(
        "--out",
        type=Path,
        default=Path("preflight"),
        metavar="DIR",
        help="The directory the results are written to (default: %(default)s).",
    )
    add(
        "--batch-sizes",
        type=_batch_sizes,
        metavar="N,N",
        help="Images per call, one run for each (default: the batch size the model was built for, or 1).",
    )
    add("--limit", type=cli.positive_int, metavar="N", help="Run only the first N inputs (default: all).")
    add(
        "--margin",
        type=cli.number(1),
        default=2.0,
        metavar="X",
        help="Magnitudes of more than 65504 / X count as close to the range's end, and put an operator type on the "
        "list; with 1 only what exceeds 65504 does (default: %(default)s).",
    )
    add_aipp(arguments)
    list_options.add_arguments(arguments)
    options = arguments.parse_args(argv)
    list_options.check(arguments, options)

    paths = inputs_of(options.input)[: options.limit]
    model, noted = _load(options.model, options.aipp)
    print(f"{options.model}: remarks on the way to ATC: {len(noted) or 'none'}")
    for remark in noted:
        print(f"  {remark.about}: {remark.says}")
    outside = describe(model)
    image, outputs = only_input(outside.inputs, options.model), [value.name for value in outside.outputs]
    check_sizes(paths, image)
    sizes = _sizes(options.batch_sizes, image)
    if options.find_list:
        return list_command.run(
            list_command.Network(
                model, options.model, image.name, paths, lambda: _stacked(paths, image, sizes[0]), sizes[0]
            ),
            options,
        )

    graph = NodeByNode(model)
    found: list[Finding] = []
    for size in sizes:
        with about(options.model):
            tallies = measure(graph, _groups(paths, image, size), image.name, outputs)
        found += findings(graph, tallies, size, options.margin)
    found.sort(key=lambda finding: finding.rank)
    skipped = {node_name(graph.nodes[index]): why for index, why in sorted(graph.skipped.items())}
    _conclude(found, [f"{node} ({why})" for node, why in skipped.items()], options.out)
    report = {
        "model": str(options.model),
        "sha256": network_hash(options.model),
        "inputs": len(paths),
        "batch_sizes": sizes,
        "range": {"largest": LARGEST, "smallest_normal": SMALLEST_NORMAL, "smallest": SMALLEST},
        "margin": options.margin,
        "remarks": [asdict(remark) for remark in noted],
        "findings": [asdict(finding) for finding in found],
        "not_measured": skipped,
        "mix_list": dict(zip(("listed", "without_known_name"), mix_list(found), strict=True)),
        "versions": versions(),
    }
    write_json(options.out / "preflight.json", report)
    print(f"{options.out / 'preflight.json'}: {len(found)} findings on {len(paths)} inputs")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
