"""The list of inputs that the NPU's `benchmark` tool reads: `index path width height`, one line per file.

Format: `get_info.py` of the guides (`get_info.py bin DIR OUT.info W H`, `get_info.py jpg DIR OUT.info`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from common import cli
from common.errors import GuideError
from common.files import read_bytes, write_text
from common.images.read import SUFFIXES, read_image


def list_files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """Return the files directly in `folder` with one of `suffixes`, sorted by name; none is an error."""
    if not folder.is_dir():
        raise GuideError(f"{folder}: no such directory.")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes and not p.name.startswith("."))
    if not files:
        raise GuideError(f"{folder}: holds no {' or '.join(suffixes)} file.")
    return files


def write_info(out: Path, files: Sequence[tuple[str, int, int]]) -> None:
    """Write one line per (path, width, height); a path with white space, which the tool cannot read, is an error."""
    for path, _, _ in files:
        if any(character.isspace() for character in path):
            raise GuideError(
                f"{path!r}: the benchmark tool splits its input list at white space; "
                "rename the file or directory."
            )
    write_text(out, "".join(f"{i} {p} {w} {h}\n" for i, (p, w, h) in enumerate(files)))


def read_info(path: Path) -> list[Path]:
    """Return the paths listed in an .info file, in its order, as they are written there; they need not be UTF-8."""
    paths = []
    text = os.fsdecode(read_bytes(path))
    if "\0" in text:
        raise GuideError(f"{path}: not a text file.")
    for number, line in enumerate(text.splitlines(), 1):
        parts = line.split()
        if len(parts) != 4:
            raise GuideError(f"{path}:{number}: expected `index path width height`, found {line[:200]!r}.")
        paths.append(Path(parts[1]))
    if not paths:
        raise GuideError(f"{path}: lists no input; make it again with get_info.py.")
    return paths


@cli.command
def main(argv: Sequence[str] | None = None) -> int:
    """List the inputs of the NPU's benchmark tool.

    python get_info.py bin DIR OUT.info WIDTH HEIGHT
    python get_info.py jpg DIR OUT.info
    """
    arguments = cli.parser(main.__doc__)
    arguments.add_argument(
        "kind", choices=("bin", "jpg"), help="Whether to list preprocessed .bin files or pictures."
    )
    arguments.add_argument("folder", metavar="DIR", help="The directory whose files are listed.")
    arguments.add_argument("out", type=Path, metavar="OUT.info", help="The list to write.")
    for side in ("width", "height"):
        arguments.add_argument(
            side,
            nargs="?",
            type=cli.positive_int,
            metavar=side.upper(),
            help=f"The network's input {side} in pixels; for bin only, a picture's own is read from it.",
        )
    options = arguments.parse_args(argv)
    if options.kind == "bin":
        if options.height is None:
            arguments.error("bin needs WIDTH and HEIGHT, the network's input size in pixels")
        paths = list_files(Path(options.folder), (".bin",))
        sizes = [(options.width, options.height)] * len(paths)
    else:
        paths = list_files(Path(options.folder), SUFFIXES)
        shapes = (read_image(path).shape for path in cli.progress(paths, len(paths), "sizes"))
        sizes = [(shape[1], shape[0]) for shape in shapes]
    # DIR as it was given, `./prep` with its dot, joined with the name, as the guides' script writes it.
    names = [os.path.join(options.folder, path.name) for path in paths]  # noqa: PTH118
    files = [(name, *size) for name, size in zip(names, sizes, strict=True)]
    write_info(options.out, files)
    print(f"{options.out}: {cli.counted(len(files), 'input')}")
    return 0
