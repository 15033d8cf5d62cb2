"""An exported file beside torch: its body's maps, then its head on those same maps.

So both heads start from the same numbers, and the last bits of the body do not decide which regions there are. The body is
convolutions, which do the same at every place, so a ninth of its maps is computed, and the head gets these side by side.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper

from common import cli
from common.backends.base import run_batch
from common.backends.deployed import open_model
from common.backends.torch import run_torch
from common.compare.differences import check_differences, print_differences
from common.errors import GuideError
from common.export.onnx_file import random_inputs
from common.facts import Facts
from rfcn_voc.anchors import CELLS, STRIDE
from rfcn_voc.preprocessing import placement
from rfcn_voc.regions import REGIONS, check_regions, compare_regions
from rfcn_voc.standard_head import BODY
from rfcn_voc.task import IM_INFO

if TYPE_CHECKING:
    from rfcn_voc.network import Rfcn

Array = NDArray[Any]
TIMES = 3  # so often the maps are laid side by side, and below each other
PIXELS = CELLS // TIMES * STRIDE  # of the random picture, per side
MAPS = 1e-4  # the accepted difference of the body's maps, as a share of their largest value
NOT_KEPT = "The export is not kept."


def compare(network: Rfcn, facts: Facts, path: Path) -> None:
    """Run an exported file and the network on the same random picture, print the differences, refuse large ones."""
    from rfcn_voc.network import Body, Head

    cli.announce("comparing with torch")
    image = np.ascontiguousarray(random_inputs(facts, 1)[:, :, :PIXELS, :PIXELS])
    feeds = {facts.inputs[0].name: image, IM_INFO.name: placement(640, 480).im_info[None]}
    proto = onnx.load(path)
    shape = tuple(dimension.dim_value for dimension in proto.graph.input[0].type.tensor_type.shape.dim)
    if shape != tuple(facts.inputs[0].shape):  # the smaller picture would not show it
        raise GuideError(
            f"input {facts.inputs[0].name!r} has the shape {shape}, expected {tuple(facts.inputs[0].shape)}. {NOT_KEPT}"
        )
    lay_side_by_side(proto)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        with_maps = Path(folder) / "with_maps.onnx"
        onnx.save(proto, with_maps)
        del proto
        with open_model(with_maps) as deployed:
            further = [feeds[value.name] for value in deployed.inputs[1:]]
            outputs = run_batch(deployed, feeds)
    outputs, maps = outputs[: -len(BODY)], outputs[-len(BODY) :]

    print("compared with torch on a random picture:")
    for name, found, wanted in zip(BODY, maps, run_torch(Body(network), image), strict=True):
        once = found[..., : wanted.shape[-2], : wanted.shape[-1]]
        difference, size = (float(np.abs(values).max()) for values in (once - wanted, wanted))
        accepted = MAPS * size
        print(f"  {name}: largest difference {difference:.2e}, accepted {accepted:.1e}")
        if not difference <= accepted:  # also true for NaN
            raise GuideError(
                f"{name!r} differs from torch by {difference:.2e}, more than {accepted:.1e}. {NOT_KEPT}"
            )
    expected = run_torch(Head(), *maps, *further)
    largest, share = compare_regions(*([rows[0] for rows in side] for side in (outputs, expected)))
    print(
        f"  {100 * share:.1f} % of torch's regions on the same maps, {100 * REGIONS:.0f} % demanded; in these:"
    )
    print_differences(facts, largest.tolist())
    check_differences(facts, largest.tolist(), NOT_KEPT)
    check_regions(share, NOT_KEPT)


def lay_side_by_side(proto: ModelProto) -> None:
    """Make an exported file take the smaller picture, lay the body's maps side by side for the head, and give them out, too."""
    graph = proto.graph
    for dimension in graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_value = PIXELS
    graph.initializer.append(helper.make_tensor("repeats", TensorProto.INT64, [4], [1, 1, TIMES, TIMES]))
    for place in reversed(range(len(graph.node))):
        node = graph.node[place]
        if (name := node.output[0]) in BODY:
            node.output[0] = f"{name}/once"
            graph.node.insert(place + 1, helper.make_node("Tile", [node.output[0], "repeats"], [name]))
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, CELLS, CELLS])
        for name, channels in BODY.items()
    )
