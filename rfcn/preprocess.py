"""Turn VOC's pictures into the network's inputs, one .bin file each.

python preprocess.py --file_path ./data/VOCdevkit2007/VOC2007/JPEGImages/ --bin_path ./bin --info_name demo.info

A .bin file is 3x1344x1344 float32, BGR minus 50.674869, 21676032 bytes, and is named after its picture; all of the test
set take 107 GB, a part of it, --shard K/N, as much less. Run again after an interruption, it goes on with what is
missing.
"""

from __future__ import annotations

import install_hint

from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.engine.file_route import write_inputs
from common.engine.shard import add_shard
from common.npu_files.input_list import write_info
from common.npu_files.inputs import note_others
from rfcn_voc import voc
from rfcn_voc.preprocessing import SIZE, note_cropped
from rfcn_voc.task import TASK, placements

BYTES = 3 * SIZE * SIZE * 4


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add("--data", "--file_path", type=Path, default=voc.DATA, metavar="DIR", help=voc.DATA_ARGUMENT)
    add(
        "--out",
        "--bin_path",
        type=Path,
        default=Path("bin"),
        metavar="DIR",
        help="The directory the .bin files are written to (default: %(default)s).",
    )
    add(
        "--info",
        "--info_name",
        type=Path,
        metavar="F",
        help="Also list them for the NPU's benchmark tool, as get_info.py does, in the order of test.txt.",
    )
    add_shard(arguments)
    cli.add_workers(arguments)
    options = arguments.parse_args(argv)
    data = voc.read_voc(options.data)
    pictures = data.shard(options.shard).pictures
    note_cropped(placements(pictures))
    write_inputs(TASK, pictures, options.out, size=BYTES, workers=options.workers)
    part = f", shard {options.shard} of {len(data.pictures)}" if options.shard else ""
    print(f"{options.out}: {cli.counted(len(pictures), '.bin file')} of {BYTES} bytes{part}")
    note_others(options.out, data.pictures)
    if options.info:
        write_info(options.info, [(f"{options.out}/{stem}.bin", SIZE, SIZE) for stem in pictures])
        print(f"{options.info}: {cli.counted(len(pictures), 'input')}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
