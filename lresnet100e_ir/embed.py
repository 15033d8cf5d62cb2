"""Store the features of all aligned faces of 112x112 pixels in a directory, for predict.py --gallery to search.

python embed.py faces --model model/model_ir_se100_sim.onnx --out faces.npy
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.embedding import embed, parse
from common.facts import read_facts
from lresnet_lfw.embedding import EMBEDDING

HERE = Path(__file__).resolve().parent


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    options = parse(cli.parser(__doc__), argv)
    embed(EMBEDDING, options, read_facts(HERE), HERE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
