"""Export an EfficientDet-D0 checkpoint to ONNX, simplify it, and compare both with torch before they are believed.

python pth2onnx.py --batch_size=1 --checkpoint=./model/d0.pth --out=./model/d0.onnx

Beside `<name>.onnx` the simplified file `<name>_sim.onnx` is written, which modify_onnx.py makes ready for ATC. Without
--checkpoint the guide's d0.pth or the published file is taken from weights/, model/ or this directory, or the latter
downloaded and verified.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common import cli
from common.export.checkpoint import choose
from common.export.onnx_file import add_arguments, compare, export
from common.facts import Facts, read_facts
from common.files import staged
from common.graph.simplify import simplify

if TYPE_CHECKING:
    from efficientdet_coco.network import TenMaps

HERE = Path(__file__).resolve().parent
# What joins padding and pooling: that is left to modify_onnx.py, which names each node it changes.
SKIPPED = ("fuse_pad_into_pool",)


def export_simplified(
    network: TenMaps, facts: Facts, out: Path, batch_size: int | None = None, opset: int = 11
) -> Path:
    """Write the network to `out` as ONNX, and beside it the simplified form, whose path is returned."""
    from patches.fixed_padding import fixed_padding

    with fixed_padding():
        export(network, facts, out, batch_size, opset)
    simplified = out.with_name(f"{out.stem}_sim.onnx")
    with staged(simplified) as temporary:
        before, after = simplify(out, temporary, SKIPPED)
        print(f"simplified: {after} nodes, before {before}")
        compare(network, facts, temporary)
    return simplified


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts = read_facts(HERE)
    arguments = cli.parser(__doc__)
    add_arguments(arguments, facts, batch_size=["--batch_size"])
    arguments.set_defaults(out=Path(facts.onnx.replace("_modify", "")))
    options = arguments.parse_args(argv)
    checkpoint = choose(options.checkpoint, facts, HERE, options.sha256)  # before torch, which takes seconds
    from efficientdet_coco.network import load_checkpoint

    network = load_checkpoint(checkpoint)
    simplified = export_simplified(network, facts, options.out, options.batch_size, options.opset)
    batch = options.batch_size or "dynamic"
    print(f"{options.out}: {checkpoint.name} as ONNX, opset {options.opset}, batch {batch}")
    print(f"{simplified}: the same, simplified")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
