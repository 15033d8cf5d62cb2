"""An ONNX file as a runtime on this machine is given it: checked, with its AIPP in front."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.errors import about
from common.graph import outline
from common.graph.aipp import Aipp
from common.graph.aipp_onnx import fold
from common.graph.bounds import memory, weights, working
from common.graph.external import network_hash
from common.graph.float16 import emulate
from common.graph.float16_modes import Modes
from common.graph.outline import Value


@dataclass(frozen=True)
class Source:
    """A network to load: `data` is the path of its file, or an ONNX file's bytes; `identity` is a backend's.

    `most` are the bytes that running it may take, `weights` those of its weights, and `working` those that a batch takes
    beside them, of a dynamic batch each item: see `common.graph.bounds`. Where half precision is emulated, `half` are the
    outputs that are rounded to it, and `told` says of how many nodes that is.
    """

    data: str | bytes
    identity: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    most: int
    weights: int
    working: int
    half: tuple[str, ...] = ()
    told: str = ""

    def calls(self, batch_size: int, at_once: int) -> tuple[int, int]:
        """Return the size of the batches that are run, and how many, where `at_once` batches of `batch_size` are there.

        A network that was built for a batch size runs batches of that one.
        """
        own = self.inputs[0].shape[0] if self.inputs else batch_size
        size = own if isinstance(own, int) else batch_size
        return size, -(-at_once * batch_size // size)

    def batch_memory(self, batch_size: int) -> int:
        """Return about how many bytes a batch takes beside the weights, see `calls`."""
        built = bool(self.inputs) and isinstance(self.inputs[0].shape[0], int)
        return self.working * (1 if built else batch_size)


def read_source(
    path: Path, aipp: Aipp | None = None, *, channels_last: bool = False, half: Modes | None = None
) -> Source:
    """Check an ONNX file, and return what to load. With `aipp`, the inputs that it is for are uint8 NHWC, see `fold`.

    With `half`, its graph is rewritten to compute in half precision, see `emulate`.
    """
    proto = outline.load(path)
    if aipp:
        with about(path):
            proto = fold(proto, aipp, channels_last=channels_last)
    identity, emulated = f"{network_hash(path)} {aipp}", None
    if half:
        with about(path):
            emulated = emulate(proto, half)
        proto, identity = emulated.proto, f"{identity} float16 emulated: {half}"
    graph = outline.describe(proto)
    # The runtimes take no path that is no UTF-8.
    data = proto.SerializeToString() if aipp or half or not _is_utf8(path) else str(path)
    return Source(
        data=data,
        identity=identity,
        inputs=graph.inputs,
        outputs=graph.outputs,
        most=memory(proto),
        weights=weights(proto),
        working=working(proto),
        half=emulated.half if emulated else (),
        told=str(emulated) if emulated else "",
    )


def _is_utf8(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
