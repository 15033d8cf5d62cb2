"""An exported file beside torch: its body's maps, then its head on those same maps.

So both heads start from the same numbers, and the last bits of the body do not decide which regions there are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from common import cli
from common.backends.base import run_batch
from common.backends.deployed import open_model
from common.backends.torch import run_torch
from common.compare.differences import check_differences, print_differences
from common.errors import GuideError
from common.export.onnx_file import random_inputs
from common.facts import Facts
from rfcn_voc.anchors import CELLS
from rfcn_voc.preprocessing import SHORTER_SIDE, Letterbox, placement
from rfcn_voc.regions import REGIONS, check_regions, compare_regions
from rfcn_voc.standard_head import BODY
from rfcn_voc.task import IM_INFO

if TYPE_CHECKING:
    from rfcn_voc.network import Rfcn

Array = NDArray[Any]
MAPS = 1e-4  # the accepted difference of the body's maps, as a share of their largest value
NOT_KEPT = "The export is not kept."


def compare(network: Rfcn, facts: Facts, path: Path) -> None:
    """Run an exported file and the network on the same random picture, print the differences, refuse large ones."""
    from rfcn_voc.network import Body, Head

    cli.announce("comparing with torch")
    image, placed = random_picture(facts)
    feeds = {facts.inputs[0].name: image, IM_INFO.name: placed.im_info[None]}
    proto = onnx.load(path)
    proto.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, CELLS, CELLS])
        for name, channels in BODY.items()
    )
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
        difference, size = (float(np.abs(values).max()) for values in (found - wanted, wanted))
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


def random_picture(facts: Facts) -> tuple[Array, Letterbox]:
    """Return a random picture on the canvas, 1x3x1344x1344 float32, and how it lies there: 640x480 pixels."""
    canvas, placed = random_inputs(facts, 1), placement(640, 480)
    canvas[:, :, SHORTER_SIDE:], canvas[:, :, :, placed.resized_width :] = 0, 0
    return canvas, placed
