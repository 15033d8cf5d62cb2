"""Files that are either complete or absent."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from common.errors import GuideError


@contextlib.contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` and rename it to `path` if the block succeeds.

    The temporary name is fixed per target, begins with a dot and keeps the suffix: a killed run leaves at most one such
    file per target, no listing takes it for a result, and the next run overwrites it.
    """
    if path.is_symlink():
        path = path.resolve()  # the file it points to is written, the link stays
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise GuideError(f"{path}: exists and is not a regular file; choose another name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.errno is None or error.filename not in (None, str(temporary)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_text(path: Path) -> str:
    """Read UTF-8 text; a file that is none is an error."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise GuideError(f"{path}: not a text file in UTF-8.") from None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, complete or not at all."""
    with staged(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def json_text(value: Any) -> str:
    """Return indented JSON. NaN and infinity, which are not JSON, raise ValueError."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON, complete or not at all, see `json_text`."""
    write_text(path, json_text(value))


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write the bytes of `array` in C order, complete or not at all: the .bin files the NPU tools read."""
    with staged(path) as temporary, temporary.open("wb", buffering=0) as file:
        view = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
        while view:  # a raw write may be partial, on a nearly full disk for one
            view = view[file.write(view) :]


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """Return a hash of a file, in hexadecimal, by an algorithm of `hashlib`."""
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
