"""Find the objects in your own pictures: boxes, names and scores drawn on copies, and as JSON.

python predict.py street.jpg --model model/d0_modify.onnx --out output
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

from common import cli, prediction
from common.facts import read_facts
from efficientdet_coco.categories import name_of
from efficientdet_coco.task import ANY_PICTURE, SCORE

HERE = Path(__file__).resolve().parent


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    options = prediction.parse(cli.parser(__doc__), argv, what="objects", score=SCORE)
    with prediction.opened(options, read_facts(HERE), HERE) as deployed:
        prediction.draw_detections(ANY_PICTURE, deployed, options, what="objects", name_of=name_of)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
