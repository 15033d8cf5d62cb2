"""The R-FCN network (Dai et al., 2016, https://arxiv.org/abs/1605.06409) and its published checkpoint.

With `proposals`, the part of this package that needs torch. Module names are those of the published checkpoint.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from common.export import checkpoint
from common.export.seeded import Target
from common.export.seeded import seeded as fitted
from common.images.library import library_picture
from rfcn_voc import proposals
from rfcn_voc.preprocessing import SHORTER_SIDE, network_input

CLASSES = 21  # VOC's twenty and background
_ALIAS, _ITSELF = "RCNN_conv_1x1.weight", "RCNN_conv_new.1.weight"


class Bottleneck(nn.Module):
    """The residual block of ResNet-101 as Caffe has it: the first convolution carries the stride."""

    def __init__(self, before: int, inner: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        after = 4 * inner
        self.conv1 = nn.Conv2d(before, inner, 1, stride, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if before != after:
            convolution = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        y += self.downsample(x)  # in place, as all of the block: half of the time that memory takes
        return self.relu(y)


def layer(before: int, inner: int, blocks: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """Return a layer of bottlenecks; all but the first are dilated."""
    first = Bottleneck(before, inner, stride)
    rest = (Bottleneck(4 * inner, inner, dilation=dilation) for _ in range(blocks - 1))
    return nn.Sequential(first, *rest)


class Rpn(nn.Module):
    """Region proposal network: Nx1024x84x84 to logits, Nx18x84x84, and deltas, Nx36x84x84; see `proposals.propose`."""

    def __init__(self) -> None:
        super().__init__()
        self.RPN_Conv = nn.Conv2d(1024, 512, 3, padding=1)
        self.RPN_cls_score = nn.Conv2d(512, 18, 1)
        self.RPN_bbox_pred = nn.Conv2d(512, 36, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.RPN_Conv(x))
        return self.RPN_cls_score(x), self.RPN_bbox_pred(x)


class Rfcn(nn.Module):
    """R-FCN on the dilated ResNet-101, for one picture at a time.

    Input: `im_data`, 1x3x1344x1344 float32, BGR minus the mean, the picture in the upper left corner of zeros; and for
    the published semantics `im_info`, 1x3 float32, its height and width there and its scale, see `proposals.propose`.

    Output: regions, 1x300x5 (0, xmin, ymin, xmax, ymax in canvas pixels); probabilities of background and VOC's classes,
    1x300x21; deltas of each class to the region, 1x300x84, column 4 * class + (dx, dy, dw, dh).
    """

    def __init__(self) -> None:
        super().__init__()
        self.RCNN_rpn = Rpn()
        self.RCNN_base = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            layer(64, 64, 3),
            layer(256, 128, 4, stride=2),
            layer(512, 256, 23, stride=2),
        )
        self.RCNN_conv_1x1 = nn.Conv2d(2048, 1024, 1, bias=False)  # kept under two names
        self.RCNN_conv_new = nn.Sequential(layer(1024, 512, 3, dilation=2), self.RCNN_conv_1x1, nn.ReLU())
        self.RCNN_bbox_base = nn.Conv2d(1024, 4 * CLASSES * proposals.BINS**2, 1, bias=False)
        self.RCNN_cls_base = nn.Conv2d(1024, CLASSES * proposals.BINS**2, 1, bias=False)

    def body(self, im_data: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return all that comes before any region: proposal logits and deltas, score and box maps."""
        features = self.RCNN_base(im_data)
        logits, deltas = self.RCNN_rpn(features)
        features = self.RCNN_conv_new(features)
        return logits, deltas, self.RCNN_cls_base(features), self.RCNN_bbox_base(features)

    def forward(self, im_data: Tensor, im_info: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        return Head()(*self.body(im_data), im_info)


class Head(nn.Module):
    """From what the body returns, and im_info in the published semantics, to the network's outputs; no weights."""

    def forward(
        self,
        logits: Tensor,
        deltas: Tensor,
        score_maps: Tensor,
        box_maps: Tensor,
        im_info: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        regions = proposals.propose(proposals.probability(logits), deltas, im_info)
        scores, boxes = (proposals.pool(maps, regions).mean((2, 3)) for maps in (score_maps, box_maps))
        return regions, torch.softmax(scores, dim=1)[None], boxes[None]


def load_checkpoint(path: Path) -> Rfcn:
    """Return the network with the weights of a checkpoint, in evaluation mode; see `common.export.checkpoint`.

    The published one has the state dict under `model`, and one convolution under two keys: the later one counts, as
    in torch's own loading.
    """
    weights = checkpoint.read(path)
    if _ALIAS in weights and _ITSELF in weights:
        weights[_ALIAS] = weights[_ITSELF]
    return checkpoint.load(Rfcn(), weights, path, "R-FCN")


def seeded() -> Rfcn:
    """Return the network with seeded weights, see `common.export.seeded`."""
    picture = network_input(library_picture("astronaut"))
    layers = {
        "network.RCNN_rpn.RPN_Conv": Target(),
        "network.RCNN_rpn.RPN_cls_score": Target(1.0),
        "network.RCNN_rpn.RPN_bbox_pred": Target(0.15),
        "network.RCNN_conv_1x1": Target(),
        "network.RCNN_cls_base": Target(20.0),
        "network.RCNN_bbox_base": Target(5.0),
    }
    return fitted(lambda: Body(Rfcn()), picture[None, :, :SHORTER_SIDE, :SHORTER_SIDE], layers, "bn3").network


class Body(nn.Module):
    """The convolutions, which torch's exporter can write; `standard_head` has the rest. See `Rfcn.body`."""

    def __init__(self, network: Rfcn) -> None:
        super().__init__()
        self.network = network

    def forward(self, im_data: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.network.body(im_data)
