"""The weights that an ONNX file keeps in files beside it.

Format: ONNX's external data; each such tensor has entries `location`, a path below the file's own directory, `offset`
and `length` in bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx.external_data_helper import load_external_data_for_model

from common.cli import shorten
from common.errors import GuideError
from common.files import file_hash, read_bytes

_NUMBER = re.compile(r"[0-9]{1,18}")


def tensors(proto: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Yield all tensors of a model: the weights, and those that its nodes hold, in branches and functions, too."""
    yield from _in_graph(proto.graph)
    for function in proto.functions:
        yield from _in_nodes(function.node)


def _in_graph(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    yield from _in_nodes(graph.node)


def _in_nodes(nodes: object) -> Iterator[onnx.TensorProto]:
    for node in nodes:  # type: ignore[attr-defined]  # a repeated field
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for branch in (attribute.g, *attribute.graphs):
                yield from _in_graph(branch)


def weight_files(path: Path, proto: onnx.ModelProto) -> list[Path]:
    """Return the files beside an ONNX file that hold weights of it, sorted, without reading them.

    Each has to be there, inside the directory of the ONNX file, and as long as the tensors say.
    """
    needed: dict[str, int] = {}
    promised = 0
    for tensor in tensors(proto):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        where = entries.get("location", "")
        numbers = [entries.get(key) or "0" for key in ("offset", "length")]
        if not where or not all(map(_NUMBER.fullmatch, numbers)):
            raise GuideError(
                f"{path}: the weight {tensor.name!r} says no place in a file, but {entries}; export the model again."
            )
        offset, length = map(int, numbers)
        promised += length
        needed[where] = max(needed.get(where, 0), offset + length)
    files = {where: path.parent / where for where in sorted(needed)}
    folder = path.parent.resolve()
    outside = [where for where, file in files.items() if "\0" in where or not _is_inside(file, folder)]
    if outside:
        raise GuideError(
            f"{path}: has weights in files outside its own directory, {shorten(outside)}; none of them is read. "
            "Put them beside it, and let the model name them without a directory."
        )
    missing = [where for where, file in files.items() if not file.is_file()]
    if missing:
        raise GuideError(
            f"{path}: {len(missing)} of the {len(files)} files beside it that hold its weights are missing: "
            f"{shorten(missing)}. Copy them with the model, under the same names."
        )
    sizes = {where: file.stat().st_size for where, file in files.items()}
    for where, size in sizes.items():
        if size < needed[where]:
            raise GuideError(
                f"{files[where]}: expected the weights of {path}, {needed[where]} bytes or more, found {size}; "
                "copy it again."
            )
    if promised > sum(sizes.values()):
        raise GuideError(
            f"{path}: several of its weights are the same bytes of {shorten(files)}; export it again."
        )
    return list(files.values())


def _is_inside(file: Path, folder: Path) -> bool:
    return not file.is_symlink() and file.resolve().is_relative_to(folder)


def load_weights(path: Path, proto: onnx.ModelProto) -> None:
    """Read the weights that a loaded ONNX file keeps beside it into the model."""
    if weight_files(path, proto):
        load_external_data_for_model(proto, str(path.parent))


def network_hash(path: Path) -> str:
    """Return the hash of an ONNX file, of all its files where it keeps weights beside it, in hexadecimal."""
    try:
        proto = onnx.load_model_from_string(read_bytes(path))
    except DecodeError:  # told by who reads it
        return file_hash(path)
    files = weight_files(path, proto)
    del proto
    if not files:
        return file_hash(path)
    digest = hashlib.sha256()
    for file in (path, *files):
        digest.update(f"{file_hash(file)} {file.name if file != path else ''}\n".encode())
    return digest.hexdigest()
