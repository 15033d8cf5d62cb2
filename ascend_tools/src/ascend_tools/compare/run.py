"""Both sides over the same inputs: the outputs, and with them or apart every node's."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx

from ascend_tools.compare import parts as cut
from ascend_tools.compare.differences import Array, Difference, Figures
from ascend_tools.compare.nodes import Apart, Nodes
from ascend_tools.compare.parts import Part, Tensor
from ascend_tools.compare.sides import OM, Against, open_base
from ascend_tools.preflight.node_by_node import NodeByNode, node_name
from common import cli, kernel
from common.backends import om
from common.backends.base import Backend, check_outputs, choose_batch_size, feed
from common.errors import GuideError, about
from common.graph.aipp import Aipp
from common.graph.aipp_check import chip_inputs
from common.graph.aipp_numpy import apply
from common.graph.outline import Value, describe, item_shape, load, only_input
from common.npu_files.inputs import check_sizes
from common.threads import batches, map_threads

Arrays = Mapping[str, Array]
_PARTS = ".nodes-"  # how the directory of the parts begins, which is removed at the end
OM_TENSORS = (
    48  # of one OM file: each is copied from the device, and keeps ATC from joining the nodes around it
)


@dataclass(frozen=True)
class Outputs:
    """What was compared: both sides in words, the batch size, and the figures of each output by its name."""

    base: str
    other: str
    precision: str
    batch_size: int
    outputs: Mapping[str, Figures]


@dataclass(frozen=True)
class Graph:
    """The nodes in the graph's order, and those that could not be compared, with the reason."""

    nodes: Sequence[Apart]
    skipped: Mapping[str, str]


def outputs(model: Path, against: Against, paths: Sequence[Path], asked: int | None, out: Path) -> Outputs:
    """Run the model on both sides over all inputs."""
    with open_base(model, against.aipp, asked or 1) as base:
        image = only_input(base.inputs, model)
        check_sizes(paths, image)
        size = choose_batch_size(base, asked)
        with against.open(model, size, out / "om") as other:
            _check_same(base, other)
            found = [Difference() for _ in base.outputs]
            with about(against.kind):
                size = choose_batch_size(other, size)
            for feeds in _feeds(paths, base, size):
                wanted = feed(base, feeds)
                with about("ONNX Runtime in float32"):
                    check_outputs(base, wanted)
                theirs = feed(other, {value.name: feeds[image.name] for value in other.inputs})
                for each, ours, right in zip(found, theirs, wanted, strict=True):
                    each.add(ours, right)
            names = [value.name for value in base.outputs]
            return Outputs(
                base=f"{base.name}, {base.precision}",
                other=f"{other.name}, {other.precision}",
                precision=other.precision,
                batch_size=size,
                outputs={name: each.figures() for name, each in zip(names, found, strict=True)},
            )


def _check_same(base: Backend, other: Backend) -> None:
    """Refuse an OM file of another network, as far as the numbers and types of its inputs and outputs tell."""
    ours, theirs = (
        [(value.shape[1:], value.dtype) for value in (*side.inputs, *side.outputs)] for side in (base, other)
    )
    if ours != theirs:
        raise GuideError(
            f"not the same network on both sides: the ONNX file has the inputs and outputs {ours}, {other.name} {theirs}."
        )


def _feeds(paths: Sequence[Path], base: Backend, size: int) -> Iterator[dict[str, Array]]:
    image = base.inputs[0]
    shape = item_shape(image)
    items = map_threads(lambda path: np.fromfile(path, image.dtype).reshape(shape), paths, 1)
    for group in batches(cli.progress(items, len(paths), "outputs", "input"), size):
        yield {image.name: np.stack(group)}


def nodes(
    model: Path, against: Against, paths: Sequence[Path], size: int, out: Path, most: int = cut.BYTES
) -> Graph:
    """Run the model's parts on both sides over all inputs, each with its tensors as outputs; `most` bytes at once."""
    proto = load(model)
    graph, outside = NodeByNode(proto), describe(proto)
    image = only_input(outside.inputs, model)
    feeder = _Feeder(
        paths, image.name, _whole(image.shape[0], size), against.aipp, _item(against.aipp, image)
    )
    cli.announce(f"{model}: running it node by node, to know its tensors")
    with about(model):
        tensors = cut.tensors_of(graph, [image.name], feeder.first())
    skipped = {node_name(graph.nodes[index]): why for index, why in sorted(graph.skipped.items())}
    if against.kind == OM:
        tensors, unknown = _known(graph.nodes, tensors, load(against.for_atc(model), check=False))
        skipped |= unknown
    left = kernel.memory_left()
    most = most if left is None else min(most, left // 8)
    found = cut.parts(graph, tensors, most, OM_TENSORS if against.kind == OM else float("inf"))
    figures: list[Apart] = []
    for leftover in out.glob(f"{_PARTS}*"):  # of a run that was killed
        shutil.rmtree(leftover)
    with tempfile.TemporaryDirectory(prefix=_PARTS, dir=out) as folder:
        for number, part in enumerate(cli.progress(found, len(found), "nodes", "part"), 1):
            figures += _part(
                graph,
                proto,
                part,
                against,
                feeder,
                _Place(model, Path(folder), out, f"part {number} of {len(found)}"),
            )
    return Graph(figures, skipped)


def _whole(batch: int | str, size: int) -> int:
    return batch if isinstance(batch, int) else size


def _item(aipp: Aipp | None, image: Value) -> tuple[tuple[int, ...], str]:
    """Return the shape and type of one item as its file has it."""
    value = chip_inputs(aipp, (image,))[0] if aipp else image
    return item_shape(value), value.dtype


@dataclass(frozen=True)
class _Feeder:
    """The inputs in batches of one size, the last one filled up: as files have them, and as the network's nodes take them."""

    paths: Sequence[Path]
    name: str
    size: int
    aipp: Aipp | None
    item: tuple[tuple[int, ...], str]

    def __iter__(self) -> Iterator[dict[str, Array]]:
        shape, dtype = self.item
        for group in batches(self.paths, self.size):
            items = [np.fromfile(path, dtype).reshape(shape) for path in group]
            yield {self.name: np.stack(items + [items[-1]] * (self.size - len(items)))}

    def first(self) -> dict[str, Array]:
        """Return the first batch as the network's nodes take it."""
        return self.inner(next(iter(self)))

    def inner(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return a batch as the network's nodes take it, after AIPP."""
        if not self.aipp:
            return dict(feeds)
        return {self.name: apply(self.aipp.blocks[0], feeds[self.name])}


@dataclass(frozen=True)
class _Place:
    """Where a part is: the model, a directory for files that nobody keeps, that of the results, and what it is called."""

    model: Path
    folder: Path
    out: Path
    title: str


def _part(
    graph: NodeByNode, proto: onnx.ModelProto, part: Part, against: Against, feeder: _Feeder, place: _Place
) -> list[Apart]:
    asked = [tensor for tensor in part.tensors if tensor.of_data]
    base_file = place.folder / "part.onnx"
    onnx.save(cut.with_outputs(proto, part.tensors), base_file)
    added = Nodes(graph, part)
    with (
        open_base(base_file, against.aipp, feeder.size) as base,
        _other(graph.nodes, proto, asked, against, feeder.size, place) as (other, names),
    ):
        for feeds in feeder:
            wanted = _run(base, [tensor.name for tensor in part.tensors], feeds)
            found = _run(other, names, {value.name: feeds[feeder.name] for value in other.inputs})
            added.add(feeder.inner(feeds), found, wanted)
    return added.figures()


def _run(backend: Backend, names: Sequence[str], feeds: Arrays) -> dict[str, Array]:
    return dict(zip(names, backend.run(feeds), strict=True))


@contextlib.contextmanager
def _other(
    nodes: Sequence[onnx.NodeProto],
    proto: onnx.ModelProto,
    asked: Sequence[Tensor],
    against: Against,
    size: int,
    place: _Place,
) -> Iterator[tuple[Backend, list[str]]]:
    """Open the other side with these tensors as its outputs; yield it with their names, in its order."""
    if against.kind == OM:
        floats = [tensor.name for tensor in asked if tensor.is_float]
        makers = _makers(nodes)
        out_nodes = ";".join(makers[name] for name in floats)
        # One directory for the same nodes of whatever network: what is there is compared with its record.
        key = hashlib.sha256(out_nodes.encode()).hexdigest()[:12]
        cli.announce(f"{place.title}: an OM file with {len(floats)} of its tensors as outputs")
        path = against.converted(
            place.model, size, place.out / "om" / f"nodes_{key}", {"out_nodes": out_nodes}
        )
        inputs = [tensor.name for tensor in against.facts().inputs]
        with om.open_om(path, (0,), against.aipp, (inputs, floats)) as opened:
            yield opened, floats
        return
    path = place.folder / "other.onnx"
    onnx.save(cut.with_outputs(proto, asked), path)
    with contextlib.redirect_stdout(io.StringIO()):  # the same of each part as of the whole
        opened = against.open_onnx(path, size)
    with opened:
        yield opened, [tensor.name for tensor in asked]


def _makers(nodes: Iterable[onnx.NodeProto]) -> dict[str, str]:
    return {name: f"{node.name}:{place}" for node in nodes for place, name in enumerate(node.output)}


def _known(
    nodes: Sequence[onnx.NodeProto], tensors: Mapping[str, Tensor], for_atc: onnx.ModelProto
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors, those that --out_nodes cannot ask for as if the input did not decide them, and why it cannot."""
    makers, there = _makers(nodes), set(_makers(for_atc.graph.node).values())
    unknown = {}
    for name, tensor in tensors.items():
        if not (tensor.is_float and tensor.of_data):
            continue
        if makers[name].startswith(":"):
            unknown[name] = "its node has no name, by which --out_nodes could ask for it"
        elif makers[name] not in there:
            unknown[name] = "not in the file that ATC takes"
    kept = {
        name: replace(tensor, of_data=tensor.of_data and name not in unknown)
        for name, tensor in tensors.items()
    }
    return kept, unknown
