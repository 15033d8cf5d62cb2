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

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from common import cli
from common.errors import about
from common.files import staged, write_array
from common.npu_files import input_list as info
from common.npu_files.inputs import note_others, write_missing
from lresnet_lfw import lfw
from lresnet_lfw.arguments import add_positional
from lresnet_lfw.lfw import Face
from lresnet_lfw.preprocessing import SIZE, mirror, network_input

BYTES = 3 * SIZE * SIZE * 4


def preprocess(faces: dict[str, Face], out: Path, workers: int) -> None:
    """Write `out/<name>.bin` and `out/<name>_flip.bin` for each face; what is done is left alone."""

    def targets(name: str) -> list[Path]:
        return [out / f"{name}.bin", out / f"{name}_flip.bin"]

    def process(name: str) -> None:
        image = faces[name].read()
        with about(faces[name]):
            scaled = network_input(image)
        for path, array in zip(targets(name), (scaled, mirror(scaled)), strict=True):
            write_array(path, array)

    sources = {name: face.path for name, face in faces.items()}
    write_missing(out, sources, targets, process, size=BYTES, workers=workers)


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
    preprocess(pairs.faces, options.out, options.workers)
    labels = options.out.parent / "lfw_list.npy"
    with staged(labels) as temporary:
        np.save(temporary, pairs.same)
    print(f"{options.out}: {2 * len(pairs.faces)} .bin files of {BYTES} bytes")
    print(f"{labels}: {len(pairs.same)} pairs, {pairs.same.sum()} of the same person")
    note_others(options.out, {name for names in lfw.input_names(len(pairs.same)) for name in names})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
