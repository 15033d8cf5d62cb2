"""Export a PCB checkpoint to ONNX and compare the export with torch before it is believed.

python pth2onnx.py --checkpoint PCB_3_7.pt --out PCB.onnx

Without --checkpoint the published one is taken from weights/, model/ or this directory, or downloaded, and verified.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.export.checkpoint import choose
from common.export.onnx_file import add_arguments, export
from common.facts import read_facts

HERE = Path(__file__).resolve().parent


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    facts = read_facts(HERE)
    arguments = cli.parser(__doc__)
    add_arguments(arguments, facts, checkpoint=["-p"], out=["-o"], batch_size=["-b"])
    options = arguments.parse_args(argv)
    checkpoint = choose(options.checkpoint, facts, HERE, options.sha256)  # before torch, which takes seconds
    from pcb_market.network import load_checkpoint

    export(load_checkpoint(checkpoint), facts, options.out, options.batch_size, options.opset)
    batch = options.batch_size or "dynamic"
    print(f"{options.out}: {checkpoint.name} as ONNX, opset {options.opset}, batch {batch}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
