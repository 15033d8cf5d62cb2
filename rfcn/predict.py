"""Find the objects in your own pictures: boxes, names and scores drawn on copies, and as JSON.

python predict.py street.jpg --model rfcn_1.onnx --out output
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

from common import cli, prediction
from common.facts import read_facts
from rfcn_voc.preprocessing import note_cropped
from rfcn_voc.task import ANY_PICTURE, IM_INFO, SCORE, placements
from rfcn_voc.voc import name_of

HERE = Path(__file__).resolve().parent


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    options = prediction.parse(cli.parser(__doc__), argv, what="objects", score=SCORE)
    note_cropped(placements(cli.by_stem(options.images), own=True))
    with prediction.opened(options, read_facts(HERE), HERE, [IM_INFO]) as deployed:
        prediction.draw_detections(ANY_PICTURE, deployed, options, what="objects", name_of=name_of)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
