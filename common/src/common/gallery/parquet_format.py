"""Features in Parquet: a directory of part files, which pyarrow.dataset and pandas read as one table.

Columns: `name` (string), `size` (int64, bytes) and `modified` (int64, nanoseconds) of the picture, `features` (a
fixed_size_list of float32). The schema's metadata say what they are made with.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import cli
from common.errors import GuideError
from common.gallery.made import Made, parse

KEY = b"ascend-guides"  # of the metadata
_PART = re.compile(r"part-([0-9]{5,9})\.parquet")


def check_there() -> None:
    """Refuse to go on without pyarrow."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise GuideError(
            "Parquet files need pyarrow, which is not installed here: pip install -r requirements-parquet.txt, or "
            "choose a name that ends in .npy."
        ) from None


def part_name(number: int) -> str:
    """Return the name of a part file."""
    return f"part-{number:05d}.parquet"


def parts_of(folder: Path) -> list[Path]:
    """Return the part files of a directory in their order; one that is missing between others is an error."""
    found = sorted(int(match[1]) for path in folder.iterdir() if (match := _PART.fullmatch(path.name)))
    if found != list(range(len(found))):
        lost = next(number for number, each in enumerate(found) if number != each)
        raise GuideError(
            f"{folder / part_name(lost)}: not there, and parts after it are. Copy the directory again, or remove it and "
            "make it again with embed.py."
        )
    return [folder / part_name(number) for number in found]


def check_own(folder: Path) -> None:
    """Refuse a directory that holds anything but part files and hidden files."""
    others = [
        each.name
        for each in folder.iterdir()
        if not each.name.startswith(".") and not _PART.fullmatch(each.name)
    ]
    if others:
        raise GuideError(
            f"{folder}: holds other files than embed.py writes ({cli.shorten(sorted(others))}); choose another --out."
        )


def schema(size: int, made: Made) -> Any:
    """Return the schema of a part for rows of `size` numbers."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("name", pa.string(), nullable=False),
            pa.field("size", pa.int64(), nullable=False),
            pa.field("modified", pa.int64(), nullable=False),
            pa.field(
                "features", pa.list_(pa.field("element", pa.float32(), nullable=False), size), nullable=False
            ),
        ],
        {KEY: made.text().encode()},
    )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a part file; whatever pyarrow says of a damaged one in the block becomes one error."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise GuideError(
            f"{path}: not a Parquet file, or damaged ({' '.join(str(error).split())[:200]}). Copy it again, or remove its "
            "directory and make it again with embed.py."
        ) from None


def check_part(path: Path, file: Any) -> tuple[int, Made]:
    """Return how many numbers the rows of an open part have, and what they are made with; other columns are an error."""
    found = file.schema_arrow
    made = parse((found.metadata or {}).get(KEY, b""), path)
    size = getattr(found.field("features").type, "list_size", 0) if "features" in found.names else 0
    if size < 1 or not found.equals(schema(size, made)):
        raise GuideError(f"{path}: has other columns than embed.py writes; make it again.")
    return size, made
