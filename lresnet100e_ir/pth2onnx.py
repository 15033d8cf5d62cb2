"""Export an LResNet100E-IR checkpoint to ONNX, simplify it, and compare each with the one before it is believed.

python pth2onnx.py --checkpoint model_ir_se100.pth --out model/model_ir_se100.onnx
python pth2onnx.py ./model/model_ir_se100.pth ./model/model_ir_se100_bs16.onnx 16

The second is the guide's form: checkpoint, ONNX file, a fixed batch size. Beside `<name>.onnx` the simplified file
`<name>_sim.onnx` is written, the one for ATC. Without a checkpoint the published one is taken from weights/, model/ or
this directory.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common import cli
from common.export.checkpoint import choose
from common.export.onnx_file import add_arguments, export, onnx_path
from common.facts import Facts, read_facts
from lresnet_lfw.arguments import add_positional
from patches.simplify import simplify

if TYPE_CHECKING:
    from lresnet_lfw.network import LResNet

HERE = Path(__file__).resolve().parent


def export_simplified(
    network: LResNet, facts: Facts, out: Path, batch_size: int | None = None, opset: int = 11
) -> Path:
    """Write the network to `out` as ONNX, and beside it the simplified form, whose path is returned."""
    export(network, facts, out, batch_size, opset)
    simplified = out.with_name(f"{out.stem}_sim.onnx")
    simplify(out, simplified, facts)
    return simplified


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts = read_facts(HERE)
    arguments = cli.parser(__doc__)
    plain = Path(facts.onnx.replace("_sim", ""))
    add_arguments(arguments, facts, checkpoint=["--source"], out=["--target"], batch_size=["--batchsize"])
    arguments.set_defaults(out=plain)
    for name, kind, option in (
        ("checkpoint", Path, "--checkpoint"),
        ("out", onnx_path, "--out"),
        ("batch_size", cli.positive_int, "--batch-size"),
    ):
        add_positional(arguments, name, kind, option)
    options = arguments.parse_args(argv)
    checkpoint = choose(options.checkpoint, facts, HERE, options.sha256)  # before torch, which takes seconds
    from lresnet_lfw.network import load_checkpoint

    network = load_checkpoint(checkpoint)
    simplified = export_simplified(network, facts, options.out, options.batch_size, options.opset)
    batch = options.batch_size or "dynamic"
    print(f"{options.out}: {checkpoint.name} as ONNX, opset {options.opset}, batch {batch}")
    print(f"{simplified}: the same, simplified")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
