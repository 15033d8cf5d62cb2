"""Find the faces in your own pictures: boxes and scores drawn on copies, and as JSON.

python predict.py family.jpg team.png --model faceboxes-b0.onnx --out output
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

from common import cli, prediction
from common.facts import read_facts
from faceboxes_fddb.task import ANY_PICTURE, SCORE

HERE = Path(__file__).resolve().parent


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    options = prediction.parse(cli.parser(__doc__), argv, what="faces", score=SCORE)
    with prediction.opened(options, read_facts(HERE), HERE) as deployed:
        prediction.draw_detections(ANY_PICTURE, deployed, options, what="faces")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
