"""Turn COCO's pictures into the network's inputs, one .bin file each.

python preprocess.py --root=coco_data --bin-save=bin_save

A .bin file is 3x512x512 float32, RGB, normalised as for ImageNet, 3145728 bytes, and is named after its picture. Run
again after an interruption, it goes on with what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from common import cli
from common.errors import GuideError
from common.files import write_array
from common.npu_files.inputs import note_others, write_missing
from efficientdet_coco import coco
from efficientdet_coco.coco import Picture
from efficientdet_coco.pipeline import prepare
from efficientdet_coco.preprocessing import SIZE

BYTES = 3 * SIZE * SIZE * 4


def preprocess(pictures: Mapping[str, Picture], out: Path, workers: int) -> None:
    """Write `out/<stem>.bin` for each picture; what is done is left alone."""

    def process(stem: str) -> None:
        picture = pictures[stem]
        image, placed = prepare(picture.path)
        if (placed.width, placed.height) != (picture.width, picture.height):
            raise GuideError(
                f"{picture.path}: has {placed.width}x{placed.height} pixels, {picture.width}x{picture.height} in the "
                "annotations. Is it another picture?"
            )
        write_array(out / f"{stem}.bin", image)

    sources = {stem: picture.path for stem, picture in pictures.items()}
    write_missing(out, sources, lambda stem: [out / f"{stem}.bin"], process, size=BYTES, workers=workers)


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
    preprocess(pictures, options.out, options.workers)
    print(f"{options.out}: {len(pictures)} .bin files of {BYTES} bytes")
    note_others(options.out, pictures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
