"""Turn Market-1501's pictures into the network's inputs, one .bin file each, queries and gallery apart.

python preprocess.py --data Market-1501 --out .
python preprocess.py -d market -b 1 --height 384 --width 128 --data-dir ./datasets/Market-1501/ -j 4

The second is the guide's form of the same. A .bin file is 3x384x128 float32, RGB, normalised as for ImageNet, 589824
bytes. They go to query_preproc_data_Ascend310/ and gallery_preproc_data_Ascend310/. Run again after an interruption,
it goes on with what is missing.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.engine.file_route import write_inputs
from common.npu_files.inputs import note_others
from pcb_market import market
from pcb_market.preprocessing import HEIGHT, WIDTH
from pcb_market.task import TASK

BYTES = 3 * HEIGHT * WIDTH * 4


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add("--data", "--data-dir", type=Path, required=True, metavar="DIR", help=f"{market.DATA_HELP}.")
    add(
        "--out",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="The directory that the two directories are made in (default: the working directory).",
    )
    cli.add_workers(arguments)
    add(
        "-d",
        "--dataset",
        choices=("market",),
        default="market",
        help="The guide's flag; there is one data set.",
    )
    add(
        "-b",
        "--batch-size",
        type=cli.positive_int,
        default=1,
        help="The guide's flag; a file always holds one picture.",
    )
    for side, pixels in (("height", HEIGHT), ("width", WIDTH)):
        add(
            f"--{side}",
            type=int,
            choices=(pixels,),
            default=pixels,
            help=f"The guide's flag; the network's input has {pixels} pixels.",
        )
    options = arguments.parse_args(argv)
    data = market.read_market(options.data)
    print(data.table())
    for part, pictures in (("query", data.query), ("gallery", data.gallery)):
        out = options.out / f"{part}_preproc_data_Ascend310"
        write_inputs(TASK, pictures, out, size=BYTES, workers=options.workers)
        print(f"{out}: {cli.counted(len(pictures), '.bin file')} of {BYTES} bytes")
        note_others(out, pictures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
