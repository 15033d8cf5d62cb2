"""Turn LFW's faces into the network's inputs, two .bin files each, and write the labels of the pairs.

python preprocess.py --data data/lfw.bin --out data/lfw
python preprocess.py jpg ./data/lfw.bin ./data/lfw
python preprocess.py bin ./data/lfw ./lfw.info 112 112

The second is the guide's way to write the first; the third lists the inputs, as get_info.py does. `<i>.bin` is a face,
`<i>_flip.bin` its mirror image: 3x112x112 float32, BGR, -1..1, 150528 bytes. Faces 2k and 2k+1 are a pair;
lfw_list.npy, beside the directory of the .bin files, has whether each is the same person's. Run again after an
interruption, it goes on with what is missing.
"""

from __future__ import annotations

import install_hint

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import cli
from common.engine.file_route import write_inputs
from common.files import staged
from common.npu_files import input_list as info
from common.npu_files.inputs import note_others
from lresnet_lfw import lfw
from lresnet_lfw.arguments import add_positional
from lresnet_lfw.preprocessing import SIZE
from lresnet_lfw.task import TASK

BYTES = 3 * SIZE * SIZE * 4


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["bin"]:
        return info.main(argv)
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add("mode", nargs="?", choices=("jpg", "bin"), help="The guide's first word, see above.")
    add_positional(arguments, "data", Path, "--data")
    add_positional(arguments, "out", Path, "--out")
    add("--data", type=Path, metavar="DATA", help=f"{lfw.DATA_HELP}.")
    add(
        "--out",
        type=Path,
        default=Path("data/lfw"),
        metavar="DIR",
        help="The directory the .bin files are written to (default: %(default)s).",
    )
    cli.add_workers(arguments)
    options = arguments.parse_args(argv)
    if options.data is None:
        arguments.error("the data set is missing: --data DATA, or jpg DATA OUT")
    pairs = lfw.read_pairs(options.data)
    inputs = dict(lfw.both(pairs.faces))
    write_inputs(TASK, inputs, options.out, size=BYTES, workers=options.workers)
    labels = options.out.parent / "lfw_list.npy"
    with staged(labels) as temporary:
        np.save(temporary, pairs.same)
    print(f"{options.out}: {cli.counted(len(inputs), '.bin file')} of {BYTES} bytes")
    print(f"{labels}: {cli.counted(len(pairs.same), 'pair')}, {pairs.same.sum()} of the same person")
    note_others(options.out, inputs)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
