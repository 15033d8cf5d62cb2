"""What the stand-in for `trtexec` saves as an engine, and loads again: an ONNX file behind a line that says what it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ascend_tools.rehearse.trtexec_options import FailedError
from common.backends.base import Backend
from common.backends.onnxruntime import OnnxRuntime

BEGIN = b"ASCEND-GUIDES-REHEARSAL-ENGINE\n"


@contextmanager
def opened(options: Mapping[str, str]) -> Iterator[Backend]:
    """Open the engine that is to be loaded, else the ONNX file."""
    if "loadEngine" not in options:
        with OnnxRuntime(Path(options["onnx"])) as network:
            yield network
        return
    path = Path(options["loadEngine"])
    content = path.read_bytes() if path.is_file() else None
    if content is None or not content.startswith(BEGIN):
        what = (
            f"Error opening engine file: {path}"
            if content is None
            else "Serialization assertion magicTagRead == kMAGIC_TAG failed.Magic tag does not match"
        )
        raise FailedError(what, "Failed to create engine from model or file.", "Engine set up failed")
    with tempfile.TemporaryDirectory() as folder:
        onnx = Path(folder) / "engine.onnx"
        onnx.write_bytes(content[len(BEGIN) :])
        with OnnxRuntime(onnx) as network:
            yield network


def save(onnx: Path, engine: Path) -> None:
    """Write the engine of an ONNX file."""
    try:
        engine.write_bytes(BEGIN + onnx.read_bytes())
    except OSError:
        raise FailedError(f"Cannot open engine file: {engine}", "Saving engine to file failed.") from None
