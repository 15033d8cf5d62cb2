"""Turn FDDB's pictures into the network's inputs, one .bin file each, and write FDDB.txt.

python preprocess.py --data FDDB --out prep
python preprocess.py --dataset /root/datasets/data/FDDB --save-folder prep/

The second is the guide's form of the same, with the annotations in FDDB_Evaluation/ground_truth/ or at --labels. A .bin
file is 1024x1024x3 uint8, BGR, 3145728 bytes; the mean is subtracted by AIPP on the NPU. FDDB.txt has one line per
picture, `name 1024.000 1024.000 factor`. Run again after an interruption, it goes on with what is missing.
"""

from __future__ import annotations

import install_hint

import contextlib
from collections.abc import Sequence
from pathlib import Path

from common import alone, cli, resume
from common.errors import GuideError
from common.files import write_array, write_text
from common.npu_files.inputs import is_whole, note_others
from common.threads import map_threads
from faceboxes_fddb import fddb
from faceboxes_fddb.prep_file import prep_line, read_prep
from faceboxes_fddb.preprocessing import SIZE
from faceboxes_fddb.task import TASK

BYTES = SIZE * SIZE * 3


def preprocess(pictures: dict[str, Path], out: Path, workers: int) -> None:
    """Write `out/<stem>.bin` for each picture and `out/FDDB.txt`; pictures already done are left alone.

    A picture is done if its .bin file was made from the same picture file, which `preprocess.json` tells, and its
    line is known from `FDDB.txt` or, after an interruption, from `FDDB.txt.part`.
    """
    alone.take(out)
    prep, journal = out / "FDDB.txt", out / "FDDB.txt.part"
    known: dict[str, float] = {}
    for source in (prep, journal):
        with contextlib.suppress(GuideError):  # absent, or cut off in the middle of its last line
            known |= read_prep(source)
    todo = resume.missing(
        out / "preprocess.json",
        {},
        pictures,
        lambda stem: [out / f"{stem}.bin"],
        lambda path: is_whole(path, BYTES),
    )
    finished = pictures.keys() - set(todo)
    factors = {stem: factor for stem, factor in known.items() if stem in finished}

    def process(item: tuple[str, Path]) -> tuple[str, float]:
        stem, path = item
        inputs, factor = TASK.prepare(path)
        write_array(out / f"{stem}.bin", inputs["image"])
        return stem, factor

    write_text(journal, "".join(prep_line(stem, factor) for stem, factor in factors.items()))
    missing = [(stem, path) for stem, path in pictures.items() if stem not in factors]
    with journal.open("a", encoding="utf-8") as record:
        done = map_threads(process, missing, workers)
        for stem, factor in cli.progress(done, len(missing), "preprocess"):
            factors[stem] = factor
            record.write(prep_line(stem, factor))
            record.flush()
    write_text(prep, "".join(prep_line(stem, factors[stem]) for stem in pictures))
    journal.unlink()


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser(__doc__)
    add = arguments.add_argument
    add("--data", "--dataset", type=Path, required=True, metavar="DIR", help=f"{fddb.DATA_HELP}.")
    fddb.add_labels(arguments)
    add(
        "--out",
        "--save-folder",
        type=Path,
        default=Path("prep"),
        metavar="DIR",
        help="The directory the .bin files and FDDB.txt are written to (default: %(default)s).",
    )
    cli.add_workers(arguments)
    options = arguments.parse_args(argv)
    folds = fddb.read_folds(options.data, options.labels)
    pictures = fddb.find_pictures(options.data, (picture for fold in folds for picture in fold))
    preprocess(pictures, options.out, options.workers)
    print(f"{options.out}: {cli.counted(len(pictures), '.bin file')} of {BYTES} bytes")
    print(f"{options.out / 'FDDB.txt'}: their resize factors")
    note_others(options.out, pictures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
