"""The LResNet100E-IR network (Deng et al., ArcFace, 2019, https://arxiv.org/abs/1801.07698) and its published checkpoint.

The only module of this package that needs torch. Module names are those of the published state dict
(https://github.com/TreB1eN/InsightFace_Pytorch, `Backbone(100, mode="ir_se")`), so its 772 entries load unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from common.export import checkpoint
from common.export.seeded import seeded as fitted
from common.images.library import library_picture
from lresnet_lfw.preprocessing import network_input
from lresnet_lfw.sample import THINGS, variants

UNITS = (3, 13, 30, 3)  # per stage of 64, 128, 256 and 512 channels


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from all channels' means (Hu et al., 2018): NxCxHxW to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        squeezed = nn.functional.adaptive_avg_pool2d(x, 1)
        return x * torch.sigmoid(self.fc2(torch.relu(self.fc1(squeezed))))


class Unit(nn.Module):
    """Improved residual unit with squeeze and excitation: NxIxHxW to NxOx(H/stride)x(W/stride)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        if inputs == outputs:
            self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)  # takes every stride-th value
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            SqueezeExcitation(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


class LResNet(nn.Module):
    """Face batch to embeddings.

    Input: Nx3x112x112 float32, BGR, (value / 255 - 0.5) / 0.5, faces aligned.
    Output: Nx512 float32, each row of length 1.

    Args:
        units: residual units per stage; the published network has 3, 13, 30 and 3.
    """

    def __init__(self, units: Sequence[int] = UNITS) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.Dropout(),
            nn.Flatten(),
            nn.Linear(512 * 7 * 7, 512),
            nn.BatchNorm1d(512),
        )
        body: list[Unit] = []
        inputs = 64
        for outputs, count in zip((64, 128, 256, 512), units, strict=True):
            for stride in (2, *[1] * (count - 1)):
                body.append(Unit(inputs, outputs, stride))
                inputs = outputs
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        x = self.output_layer(self.body(self.input_layer(x)))
        return x / torch.linalg.vector_norm(x, dim=1, keepdim=True)


def load_checkpoint(path: Path) -> LResNet:
    """Return the network with the weights of a checkpoint, in evaluation mode; see `common.export.checkpoint`.

    The file holds a state dict, or one under the key `model`.
    """
    weights = checkpoint.read(path)
    return checkpoint.load(LResNet(), weights, path, "LResNet100E-IR")


def seeded() -> LResNet:
    """Return the network with seeded weights, see `common.export.seeded`."""
    things = [variants(library_picture(name), *square) for name, *square in THINGS.values()]
    faces = [face for thing in things for face in thing[:2]]
    return fitted(LResNet, np.stack([network_input(face) for face in faces]), last="4")
