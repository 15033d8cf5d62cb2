"""Turn COCO's pictures into the network's inputs, one .bin file each.

python preprocess.py --root=coco_data --bin-save=bin_save

A .bin file is 3x512x512 float32, RGB, normalised as for ImageNet, 3145728 bytes, and is named after its picture. Run
again after an interruption, it goes on with what is missing.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.engine.file_route import write_inputs
from common.npu_files.inputs import note_others
from efficientdet_coco import coco
from efficientdet_coco.preprocessing import SIZE
from efficientdet_coco.task import TASK

BYTES = 3 * SIZE * SIZE * 4


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add("--data", "--root", type=Path, required=True, metavar="DIR", help=f"{coco.DATA_HELP}.")
    add(
        "--out",
        "--bin-save",
        type=Path,
        default=Path("bin_save"),
        metavar="DIR",
        help="The directory the .bin files are written to (default: %(default)s).",
    )
    cli.add_workers(arguments)
    options = arguments.parse_args(argv)
    pictures = coco.read_coco(options.data).pictures
    write_inputs(TASK, pictures, options.out, size=BYTES, workers=options.workers)
    print(f"{options.out}: {cli.counted(len(pictures), '.bin file')} of {BYTES} bytes")
    note_others(options.out, pictures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
