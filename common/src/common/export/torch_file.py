"""Files saved by torch.save, opened without torch: nothing in them is executed, their memory follows their size.

There are two containers: a zip archive of uncompressed members (since torch 1.6), and before that pickles in a row with
the bytes of the tensors behind them.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, ZipFile

from common.errors import GuideError, about
from common.pickles import plain_dict, read_pickle

if TYPE_CHECKING:
    import torch

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the container before zip archives
_PARTS = 6  # of a reference to a storage: kind, class, name, device, count, and what part of another it is
_ARCHIVE = b"PK\x03\x04"  # how a zip archive begins
_DIMENSIONS = 64  # of a tensor, at most
_COUNT = 8  # bytes of a storage's length there
_STORAGES = {
    f"torch.{name}Storage": (dtype, size)
    for name, dtype, size in (
        *(("Double", "float64", 8), ("Float", "float32", 4), ("Half", "float16", 2), ("BFloat16", "bfloat16", 2)),
        *(("Long", "int64", 8), ("Int", "int32", 4), ("Short", "int16", 2), ("Char", "int8", 1), ("Byte", "uint8", 1)),
        *(("Bool", "bool", 1), ("ComplexFloat", "complex64", 8), ("ComplexDouble", "complex128", 16)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class _Storage:
    """Numbers in the file that tensors are views of: their kind, their name, how many."""

    dtype: str
    itemsize: int
    key: str
    count: int


@dataclass(frozen=True)
class Stored:
    """A tensor in the file, not read yet."""

    storage: _Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _stored(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Stored:
    """Return the tensor that torch would rebuild of these; it must lie in its storage, and use no number twice."""
    if not isinstance(storage, _Storage) or len(size) > _DIMENSIONS or len(stride) > _DIMENSIONS:
        raise ValueError("a tensor without numbers")
    if not all(type(value) is int and value >= 0 for value in (offset, *size, *stride)):
        raise ValueError("a tensor without numbers")
    reach = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) + 1
    if (0 not in size and reach > storage.count) or math.prod(size) > storage.count:
        raise ValueError("a tensor that is larger than its numbers")
    return Stored(storage, offset, tuple(size), tuple(stride))


def _noted(*words: Any) -> tuple[Any, ...]:
    """Return what a value beside the tensors was made of; it is not looked at."""
    return words


_KNOWN = {
    **_STORAGES,
    **{f"torch.{dtype}": dtype for dtype, _ in _STORAGES.values()},
    **dict.fromkeys(("_codecs.encode", "__builtin__.set", "collections.Counter", "torch.device"), _noted),
    "collections.OrderedDict": plain_dict,
    "torch.Size": tuple,
    "torch._utils._rebuild_tensor": _stored,
    "torch._utils._rebuild_tensor_v2": _stored,
    "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
    "torch._utils._rebuild_parameter_with_state": lambda tensor, *_: tensor,
}


@dataclass(frozen=True)
class TorchFile:
    """What a file holds, its tensors as `Stored`, and how their numbers are read."""

    content: Any
    read: Callable[[str], bytes]
    storages: dict[str, torch.Tensor] = field(default_factory=dict)

    def tensor(self, stored: Stored) -> torch.Tensor:
        """Return a tensor, a view of the numbers that it shares with others."""
        import torch

        storage = stored.storage
        if storage.key not in self.storages:
            dtype = getattr(torch, storage.dtype)
            data = bytearray(self.read(storage.key))
            whole = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
            self.storages[storage.key] = whole
        return self.storages[storage.key].as_strided(stored.size, stored.stride, stored.offset)


@contextlib.contextmanager
def open_torch_file(path: Path, known: Mapping[str, Any] | None = None) -> Iterator[TorchFile]:
    """Open a file saved by torch.save; `known` are names that it may ask for beyond tensors and dictionaries.

    Whatever else it asks for, and any damage, within the block too, is told in one message.
    """
    check_checkpoint(path)
    try:
        with path.open("rb") as file, about(path):
            names = {**_KNOWN, **(known or {})}
            if file.read(len(_ARCHIVE)) == _ARCHIVE:
                with ZipFile(path) as archive:
                    yield _open_archive(archive, names, path.stat().st_size)
            else:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    yield _open_pickles(content, names)
    except (GuideError, ModuleNotFoundError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:  # no permission
            raise
        kind = type(error).__name__  # damage can show anywhere
        raise GuideError(f"{path}: not a checkpoint saved by torch.save, or damaged ({kind}).") from None


def check_checkpoint(path: Path) -> None:
    """Refuse what is no file, at once."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise GuideError(
            f"{path}: no such checkpoint; section 3.1 of the README says where to get it."
        ) from None
    if not stat.S_ISREG(mode):
        raise GuideError(
            f"{path}: expected a checkpoint, found a directory or another thing that is no file."
        )


def _open_archive(archive: ZipFile, known: Mapping[str, Any], size: int) -> TorchFile:
    """Open a zip archive: `<name>/data.pkl`, and `<name>/data/<key>` with the bytes of each storage."""
    members = {member.filename: member for member in archive.infolist()}
    tops = [name.removesuffix("data.pkl") for name in members if name.partition("/")[2] == "data.pkl"]
    if len(tops) != 1 or f"{tops[0]}constants.pkl" in members:
        raise GuideError("refused: a TorchScript archive or another kind of zip file, no checkpoint.")
    if any(m.compress_type != ZIP_STORED or m.compress_size != m.file_size for m in members.values()):
        raise GuideError("refused: it holds compressed members, which torch.save does not write.")
    if len(members) < len(archive.infolist()) or sum(m.file_size for m in members.values()) > size:
        raise GuideError("damaged: its members are larger than the file.")
    top = tops[0]
    if f"{top}byteorder" in members and archive.read(f"{top}byteorder") != b"little":
        raise GuideError("saved by a machine with the other order of bytes; save it again on one like this.")

    def outside(reference: Any) -> Any:
        found = _find_outside(reference)
        if isinstance(found, _Storage):
            member = members[f"{top}data/{found.key}"]
            if member.file_size != found.count * found.itemsize:
                raise ValueError("a storage of another size")
        return found

    with _as_checkpoint():
        content = read_pickle(archive.read(f"{top}data.pkl"), known, outside, texts="utf-8")
    return TorchFile(content, lambda key: archive.read(f"{top}data/{key}"))


def _open_pickles(file: mmap.mmap, known: Mapping[str, Any]) -> TorchFile:
    """Open pickles in a row: what wrote it, the content, the names of the storages; then each with its length."""
    found: dict[str, _Storage] = {}

    def outside(reference: Any) -> Any:
        storage = _find_outside(reference)
        return found.setdefault(storage.key, storage) if isinstance(storage, _Storage) else storage

    with _as_checkpoint():
        head = [read_pickle(file, {}) for _ in range(3)]
        if head[:2] != [_MAGIC, _PROTOCOL] or head[2].get("little_endian") is not True:
            raise GuideError("saved by a version of torch, or on a machine, that is not known")
        content = read_pickle(file, known, outside, texts="utf-8")
        keys = read_pickle(file, {}, texts="utf-8")
    if not all(isinstance(key, str) for key in keys):  # a tuple could hold itself many times over
        raise ValueError("a storage without a name")
    places = {}
    position = file.tell()
    for storage in [found[key] for key in keys]:
        start = position + _COUNT
        position = start + storage.count * storage.itemsize
        if int.from_bytes(file[start - _COUNT : start], "little") != storage.count or position > len(file):
            raise ValueError("a storage of another size")
        places[storage.key] = slice(start, position)
    if places.keys() != found.keys():
        raise ValueError("storages are missing")
    return TorchFile(content, lambda key: file[places[key]])


def _find_outside(reference: Any) -> Any:
    """Return the storage, or the class of a module, that a reference names."""
    kind, what, *more = reference[:_PARTS]
    if kind == "module":  # with its source code, which is not looked at
        return what
    key, _, count, *view = more
    dtype, itemsize = what
    if kind != "storage" or type(count) is not int or count < 0 or not isinstance(key, str) or any(view):
        raise ValueError("a reference that is not known")
    return _Storage(dtype, itemsize, key, count)


@contextlib.contextmanager
def _as_checkpoint() -> Iterator[None]:
    """Say what was expected of a pickle."""
    try:
        yield
    except GuideError as error:
        raise GuideError(f"{error}. Expected the tensors of a network, saved by torch.save.") from None
