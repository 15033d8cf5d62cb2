"""The lists by which ATC keeps operators in float32: of operator types, and of single nodes.

Source: CANN documentation, "ATC, --modify_mixlist" and "--keep_dtype".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx

from common.files import write_text
from common.graph.atc_types import ATC_TYPES, plain_type
from common.graph.float16_modes import Modes
from common.graph.float16_operators import PRODUCTS

_UNNAMED = "node without a name "
_TYPE = "OpType::"  # what a line for all nodes of a type begins with


@dataclass(frozen=True)
class Kind:
    """A kind of list, for one network.

    Attributes:
        option: the option of ATC that takes the file.
        file: what the file is called.
        mode: the precision mode that goes with it.
        units: all that can be on the list, in the order of the graph.
        products: those that stand for all that the matrix unit computes, which is many times as slow in float32.
        unlisted: what computes in half precision and cannot be on it, since ATC's name for it is not known here.
        modes: how the network computes with such a list, where the chip saturates and where it does not.
        alone: how it computes with some of `units` and `unlisted` in half precision, and all else in float32.
        text: the file's content.
    """

    option: str
    file: str
    mode: str
    units: tuple[str, ...]
    products: frozenset[str]
    unlisted: tuple[str, ...]
    modes: Callable[[Collection[str], bool], Modes]
    alone: Callable[[Collection[str], bool], Modes]
    text: Callable[[Sequence[str]], str]

    def write(self, folder: Path, kept: Sequence[str]) -> Path:
        """Write a list, which is not empty, to a directory; return the file's path."""
        path = folder / self.file
        write_text(path, self.text(kept))
        return path

    def words(self, path: Path) -> tuple[str, ...]:
        """Return the options that ATC is to be given with a file."""
        return (f"precision_mode={self.mode}", f"{self.option}={path}")


def of_types(proto: onnx.ModelProto) -> Kind:
    """Return the lists of operator types for a network, by the names that ATC has for them."""
    nodes = [*nodes_of(proto.graph)]
    types = [*dict.fromkeys(node.op_type for node in nodes)]
    everything = frozenset(map(_plain, types))

    def modes(kept: Collection[str], saturates: bool) -> Modes:
        return Modes("allow_mix_precision", saturates, black=frozenset(map(plain_type, kept)))

    def alone(half: Collection[str], saturates: bool) -> Modes:
        return Modes(saturates=saturates, kept=everything - {*map(_plain, half)})

    return Kind(
        option="modify_mixlist",
        file="ops_info.json",
        mode="allow_mix_precision",
        units=tuple(dict.fromkeys(ATC_TYPES[each] for each in types if each in ATC_TYPES)),
        products=frozenset(ATC_TYPES[each] for each in types if each in PRODUCTS and each in ATC_TYPES),
        unlisted=tuple(each for each in types if each not in ATC_TYPES),
        modes=modes,
        alone=alone,
        text=lambda kept: json.dumps({"black-list": {"to-add": sorted(kept)}}) + "\n",
    )


def of_nodes(proto: onnx.ModelProto) -> Kind:
    """Return the lists of single nodes for a network; those of its nodes that have no name get one, for `alone`."""
    unlisted = set()
    for place, node in enumerate(nodes_of(proto.graph)):
        if not node.name:
            node.name = f"{_UNNAMED}{place} ({node.op_type})"
            unlisted.add(node.name)
        elif node.name != " ".join(node.name.split()) or node.name.startswith(_TYPE):  # no line of the file
            unlisted.add(node.name)
    names = dict.fromkeys(node.name for node in nodes_of(proto.graph))

    def modes(kept: Collection[str], saturates: bool) -> Modes:
        return Modes(saturates=saturates, names=frozenset(kept))

    def alone(half: Collection[str], saturates: bool) -> Modes:
        return Modes(saturates=saturates, names=frozenset(names) - {*half})

    return Kind(
        option="keep_dtype",
        file="keep_dtype.cfg",
        mode="force_fp16",
        units=tuple(name for name in names if name not in unlisted),
        products=frozenset(),  # a single one does not count
        unlisted=tuple(name for name in names if name in unlisted),
        modes=modes,
        alone=alone,
        text=lambda kept: "".join(f"{name}\n" for name in kept),
    )


def nodes_of(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Yield the nodes of a graph and of the graphs in them."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs):
                yield from nodes_of(body)


def _plain(name: str) -> str:
    """Return an operator type, of ONNX or of ATC, as `Modes` has it."""
    return plain_type(ATC_TYPES.get(name, name))
