"""How well a deployed model agrees with torch: regions as a set, what was found in equal ones, detections.

Two runs order nearly equal probabilities differently, and one region more or less decides about others. So regions are
compared by place, and the head of an export by itself, on the maps that its own body computed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from common.backends.base import Backend, run_batch
from common.backends.deployed import open_model
from common.backends.torch import run_torch
from common.compare.differences import check_differences, differences, print_differences
from common.errors import GuideError
from common.export.onnx_file import random_inputs
from common.facts import Facts
from rfcn_voc.anchors import CELLS
from rfcn_voc.pipeline import further_inputs, prepare
from rfcn_voc.postprocessing import detect
from rfcn_voc.preprocessing import SHORTER_SIDE, Letterbox, placement
from rfcn_voc.standard_head import BODY

if TYPE_CHECKING:
    from rfcn_voc.network import Rfcn

Array = NDArray[Any]
SAME_PLACE = 0.05  # canvas pixels
SAME_PIXELS = 0.5
SAME_SCORE = 1e-3
# The share of equal regions that is demanded; 281 to 296 of 300 were measured between two libraries.
REGIONS = 0.9
MAPS = 1e-4  # the accepted difference of the body's maps, as a share of their largest value


@dataclass(frozen=True)
class Agreement:
    """Largest absolute differences in equal regions, per output; how many regions and detections are the same.

    Equal regions are within 0.05 canvas pixels, and rounded to the same cells; the same detections are of a class,
    within 0.5 pixels and 0.001.
    """

    pictures: int
    outputs: tuple[float, ...]
    regions: float
    torch_objects: int
    deployed_objects: int
    same_objects: int

    @property
    def share(self) -> float:
        """Detections that are the same, of all that either side has (intersection over union of the sets)."""
        union = self.torch_objects + self.deployed_objects - self.same_objects
        return self.same_objects / union if union else 1.0

    def __str__(self) -> str:
        return (
            f"regions: {100 * self.regions:.1f} % the same; detections: torch {self.torch_objects}, deployed "
            f"{self.deployed_objects}, the same {self.same_objects} ({100 * self.share:.2f} %)"
        )


def compare_regions(found: Sequence[Array], wanted: Sequence[Array]) -> tuple[Array, float]:
    """Return the largest differences of rois, cls_prob and bbox_pred in equal regions, and the share of those.

    Args:
        found: rois 300x5, cls_prob 300x21, bbox_pred 300x84.
        wanted: the same from the other side, whose regions are looked for.
    """
    distance = np.abs(found[0][:, None] - wanted[0][None]).max(axis=2)
    nearest, here = distance.argmin(axis=0), np.arange(len(wanted[0]))
    same = distance[nearest, here] < SAME_PLACE
    share = float(same.mean())
    # A coordinate beside one half can be rounded to another pixel, and pooled from other cells.
    same &= (np.floor(found[0][nearest] + 0.5) == np.floor(wanted[0] + 0.5)).all(axis=1)
    if not same.any():
        return np.full(len(wanted), np.inf), share
    return differences([rows[nearest[same]] for rows in found], [rows[same] for rows in wanted]), share


def compare_pictures(
    deployed: Backend, reference: Callable[..., Sequence[Array]], paths: Sequence[Path]
) -> Agreement:
    """Run both on every picture; `reference` returns the same outputs, from torch."""
    outputs, regions = np.zeros(len(deployed.outputs)), 0.0
    counts = np.zeros(3, int)
    for path in paths:
        image, placed = prepare(path)
        inputs = [rows[None] for rows in (image, *further_inputs(deployed, placed))]
        found, wanted = (
            [rows[0] for rows in run] for run in (run_batch(deployed, *inputs), reference(*inputs))
        )
        largest, share = compare_regions(found, wanted)
        outputs = np.maximum(outputs, largest)  # keeps NaN
        regions += share / len(paths)
        ours, theirs = detect(found, placed), detect(wanted, placed)
        counts += (len(theirs), len(ours), count_same(ours, theirs))
    return Agreement(len(paths), tuple(outputs.tolist()), regions, *counts.tolist())


def count_same(objects: Array, others: Array) -> int:
    """Count the detections, Nx6, and the others, Mx6, that have an equal on the other side; return the smaller count."""
    if not len(objects) or not len(others):
        return 0
    difference = np.abs(objects[:, None] - others[None])
    near = (difference[..., :4].max(axis=2) <= SAME_PIXELS) & (difference[..., 4] <= SAME_SCORE)
    same = near & (difference[..., 5] == 0)
    return int(min(same.any(axis=0).sum(), same.any(axis=1).sum()))


def random_picture(model: Facts) -> tuple[Array, Letterbox]:
    """Return a random picture on the canvas, 1x3x1344x1344 float32, and how it lies there: 640x480 pixels."""
    canvas, placed = random_inputs(model, 1), placement(640, 480)
    canvas[:, :, SHORTER_SIDE:], canvas[:, :, :, placed.resized_width :] = 0, 0
    return canvas, placed


def compare(network: Rfcn, model: Facts, path: Path) -> None:
    """Run an exported file and the network on the same random picture, print the differences, refuse large ones.

    The maps of the bodies are compared first; then torch's head is given those of the file, so that both heads start
    from the same numbers.
    """
    from rfcn_voc.network import Body, Head

    image, placed = random_picture(model)
    graph = onnx.load(path)
    graph.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, CELLS, CELLS])
        for name, channels in BODY.items()
    )
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        onnx.save(graph, Path(folder) / "both.onnx")
        deployed = open_model(Path(folder) / "both.onnx")
    del graph
    further = further_inputs(deployed, placed)
    inputs = [image, *(rows[None] for rows in further)]
    outputs = run_batch(deployed, *inputs)
    deployed.close()
    body = outputs[-len(BODY) :]

    print("compared with torch on a random picture:")
    for name, found, wanted in zip(BODY, body, run_torch(Body(network), image), strict=True):
        difference, size = (float(np.abs(values).max()) for values in (found - wanted, wanted))
        accepted = MAPS * size
        print(f"  {name}: largest difference {difference:.2e}, accepted {accepted:.0e}")
        if not difference <= accepted:
            raise GuideError(
                f"{name!r} differs from torch by {difference:.2e}, more than {accepted:.0e}. The export is not kept."
            )
    expected = run_torch(Head(), *body, *inputs[1:])
    largest, share = compare_regions(*([rows[0] for rows in side[:3]] for side in (outputs, expected)))
    print(
        f"  {100 * share:.1f} % of torch's regions on the same maps, {100 * REGIONS:.0f} % demanded; in these:"
    )
    print_differences(model, largest.tolist())
    check_differences(model, largest.tolist(), "The export is not kept.")
    check_regions(share, "The export is not kept.")


def check_regions(share: float, consequence: str) -> None:
    """Refuse that fewer regions than REGIONS are the same; `consequence` ends the message."""
    if not share >= REGIONS:
        raise GuideError(
            f"{100 * share:.1f} % of torch's regions are the same, fewer than {100 * REGIONS:.0f} %. {consequence}"
        )
