"""Turn an exported ONNX file into ATC's form: the NPU's own operators for regions, and no 64-bit integers.

python rfcn_adapt.py rfcn_1.onnx rfcn_final.onnx

Suppression becomes BatchMultiClassNMS, each pooling PSROIPooling; every sub-graph that goes is first compared with the
one that pth2onnx.py writes. The result is for ATC alone: ONNX Runtime has no such operators.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

import onnx

from common import cli
from common.errors import GuideError, about
from common.export.onnx_file import onnx_path
from common.facts import read_facts
from common.files import staged
from common.graph.outline import load
from patches.int32 import use_int32
from patches.vendor_operators import use_vendor_operators

HERE = Path(__file__).resolve().parent


def adapt(source: Path, target: Path) -> list[str]:
    """Write `source` in ATC's form to `target`; return a line per change."""
    proto = load(source)
    with about(source):
        changes = use_vendor_operators(proto)
    counts = use_int32(proto)
    with staged(target) as temporary:
        onnx.save(proto, temporary)
    return [*changes, *(f"int64 to int32: {count} {kind}" for kind, count in sorted(counts.items()))]


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts = read_facts(HERE)
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add(
        "source",
        nargs="?",
        type=Path,
        default=Path(facts.onnx),
        metavar="F",
        help="The ONNX file that pth2onnx.py wrote, in the guide's form (default: %(default)s).",
    )
    add(
        "target",
        nargs="?",
        type=onnx_path,
        default=Path(facts.atc.onnx or ""),
        metavar="F",
        help="The ONNX file for ATC to write (default: %(default)s).",
    )
    options = arguments.parse_args(argv)
    if options.target.resolve() == options.source.resolve():
        raise GuideError(f"{options.target}: is the file that is read; name another one to write.")
    changes = adapt(options.source, options.target)
    for change in changes:
        print(f"  {change}")
    print(f"{options.target}: {options.source} in ATC's form")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
