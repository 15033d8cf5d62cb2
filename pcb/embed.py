"""Store the features of all pictures of persons in a directory, for predict.py --gallery to search.

python embed.py people --model PCB.onnx --out people.npy
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.embedding import embed, parse
from common.facts import read_facts
from pcb_market.embedding import EMBEDDING

HERE = Path(__file__).resolve().parent


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    options = parse(cli.parser(__doc__), argv)
    embed(EMBEDDING, options, read_facts(HERE), HERE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
