"""Region proposals and position-sensitive pooling in torch, as the published code and its CUDA kernel compute them.

Both are other computations than torchvision's, which takes longer to import than to replace: its `nms` knows no sizes that
count both ends, and its `ps_roi_pool` rounds to whole cells of the map. `standard_head.py` has the same in ONNX operators.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from rfcn_voc.anchors import CELLS, RATIOS, SCALES, STRIDE, centres_and_sizes

CANDIDATES = 6000
PROPOSALS = 300
OVERLAP = 0.7
BINS = 7  # per side of a region
_JUST_BELOW = float(np.nextafter(np.float32(OVERLAP), np.float32(0)))  # more than this is OVERLAP or more
_KINDS = len(RATIOS) * len(SCALES)


def probability(logits: Tensor) -> Tensor:
    """Return probabilities, 1x18x84x84, from logits: channel a is the background of anchor a, a + 9 its foreground."""
    pairs = logits.view(1, 2, -1, logits.shape[-1])
    return torch.softmax(pairs, dim=1).view(logits.shape)


def decode(deltas: Tensor, centres: Tensor, sizes: Tensor) -> Tensor:
    """Return boxes, Nx4 float32 (xmin, ymin, xmax, ymax), from deltas (dx, dy, dw, dh), Nx4, to anchors, Nx2 each."""
    middle = deltas[:, :2] * sizes + centres
    half = 0.5 * (torch.exp(deltas[:, 2:]) * sizes)
    return torch.cat((middle - half, middle + half), dim=1)


def propose(probabilities: Tensor, deltas: Tensor, im_info: Tensor | None = None) -> Tensor:
    """Return the regions, 1x300x5 float32: 0, xmin, ymin, xmax, ymax in canvas pixels, best first, zeros at the end.

    With `im_info` as the published code does: boxes are clipped to the picture, sizes count both ends, an overlap of
    0.7 suppresses. Without it as the guide's NPU file does: boxes are not clipped, plain overlaps of more than 0.7,
    probabilities of more than 0.

    Args:
        probabilities: 1x18x84x84, see `probability`.
        deltas: 1x36x84x84, channel 4 * anchor + (dx, dy, dw, dh).
        im_info: 1x3, height and width of the picture on the canvas, and its scale.
    """
    scores = probabilities[0, _KINDS:].permute(1, 2, 0).reshape(-1)
    # Equal scores in the order of the anchors, as in the published code and in ONNX's TopK.
    best = torch.sort(scores, descending=True, stable=True)[1][:CANDIDATES]
    centres, sizes = (torch.from_numpy(values)[best] for values in centres_and_sizes())
    boxes = decode(deltas[0].permute(1, 2, 0).reshape(-1, 4)[best], centres, sizes)
    if im_info is None:
        kept = suppress(boxes, OVERLAP)
        kept = kept[scores[best][kept] > 0]
    else:
        limits = im_info[:, [1, 0, 1, 0]] - 1
        boxes = torch.minimum(boxes.clamp(min=0), limits)
        kept = suppress(boxes + torch.tensor([0.0, 0, 1, 1]), _JUST_BELOW)
    regions = torch.zeros(1, PROPOSALS, 5)
    regions[0, : len(kept), 1:] = boxes[kept]
    return regions


def suppress(boxes: Tensor, overlap: float) -> Tensor:
    """Return which boxes, Nx4 by descending score, no better one that is kept overlaps by more: the first 300, int64.

    An overlap is the share of the union, as torchvision's `nms` has it.
    """
    left, kept = np.arange(len(boxes)), list[int]()
    corners = boxes.numpy().T  # in numpy, which is quicker at little work
    areas = (corners[2] - corners[0]) * (corners[3] - corners[1])
    none, most = np.float32(0), np.float32(overlap)
    while len(left) and len(kept) < PROPOSALS:
        best, left = left[0], left[1:]
        kept.append(int(best))
        low, high = corners[:2, left], corners[2:, left]
        sides = np.minimum(high, corners[2:, best, None]) - np.maximum(low, corners[:2, best, None])
        sides = np.maximum(sides, none)
        shared = sides[0] * sides[1]
        with np.errstate(invalid="ignore"):  # two boxes without an area share nothing
            left = left[~(shared / (areas[best] + areas[left] - shared) > most)]
    return torch.tensor(kept, dtype=torch.int64)


def bins(regions: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the bins of regions, Nx4 (xmin, ymin, xmax, ymax), start and end: cells of the map, Nx2x7 (x, y).

    A bin takes the cells from its start to before its end; it has none where the two are equal.
    """
    magnitude = regions.abs()
    whole = magnitude.floor()
    # Half away from zero as in C; torch.round goes to the even one.
    rounded = regions.sign() * (whole + (magnitude - whole >= 0.5))
    low, high = rounded[:, :2] / STRIDE, (rounded[:, 2:] + 1) / STRIDE
    size = ((high - low).clamp(min=0.1) / BINS)[..., None]
    starts = torch.floor(size * torch.arange(BINS) + low[..., None])
    ends = torch.ceil(size * torch.arange(1, BINS + 1) + low[..., None])
    return starts.clamp(0, CELLS), ends.clamp(0, CELLS)


def pool(maps: Tensor, regions: Tensor) -> Tensor:
    """Return the means of all bins, NxCx7x7: bin (row, column) of channel c from map 49 * c + 7 * row + column.

    Args:
        maps: 1x(49*C)x84x84.
        regions: 1xNx5, as `propose` returns them.
    """
    starts, ends = (cells[..., None] for cells in bins(regions[0, :, 1:]))
    cells = torch.arange(CELLS)
    weights = ((cells >= starts) & (cells < ends)) / (ends - starts).clamp(min=1)  # N x (x, y) x 7 x 84
    columns, rows = weights.unbind(1)
    grid = maps.view(-1, BINS, BINS, CELLS, CELLS)
    means = []
    for row in range(BINS):
        lines = rows[:, row] @ grid[:, row]  # C x 7 x N x 84
        means.append((lines * columns.transpose(0, 1)).sum(-1))
    return torch.stack(means).permute(3, 1, 0, 2)
