"""The PCB network (Sun et al., 2018, https://arxiv.org/abs/1711.09349) and its published checkpoint.

With `module_pickle.py` the only module of this package that needs torch. Module names are those of the published
state dict (https://github.com/syfafterzy/PCB_RPP_for_reID), so its 338 entries load unchanged.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor, nn

from common.export import checkpoint
from common.export.seeded import Target
from common.export.seeded import seeded as fitted
from common.images.library import library_picture
from pcb_market.module_pickle import read_weights
from pcb_market.preprocessing import HEIGHT, WIDTH, network_input
from pcb_market.sample import PERSONS, views

STRIPES = 6
CLASSES = 751  # identities that Market-1501 has for training


class PCB(nn.Module):
    """Picture batch to stripe features and, per stripe, scores of the training identities.

    Input: Nx3x384x128 float32, RGB, normalised as for ImageNet.
    Output: Nx2048x6x1 float32, six stripes from top to bottom, each of length 1 over its channels; six Nx751 float32
    logits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.base = torchvision.models.resnet50(weights=None)  # with the fc layer, unused, for its entries
        # The last stage keeps the resolution: 384x128 becomes 24x8.
        first = self.base.layer4[0]
        first.conv2.stride = first.downsample[0].stride = (1, 1)
        self.pool = nn.AvgPool2d((4, 8))
        self.drop = nn.Dropout(0.5)
        self.local_conv = nn.Conv2d(2048, 256, 1, bias=False)
        self.feat_bn2d = nn.BatchNorm2d(256)
        for stripe in range(STRIPES):
            self.add_module(f"instance{stripe}", nn.Linear(256, CLASSES))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        base = self.base
        x = base.maxpool(base.relu(base.bn1(base.conv1(x))))
        x = self.pool(base.layer4(base.layer3(base.layer2(base.layer1(x)))))
        features = x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
        x = torch.relu(self.feat_bn2d(self.local_conv(self.drop(x))))
        logits = [
            self.get_submodule(f"instance{stripe}")(part.flatten(1))
            for stripe, part in enumerate(x.split(1, dim=2))
        ]
        return features, *logits


def load_checkpoint(path: Path) -> PCB:
    """Return the network with the weights of a checkpoint, in evaluation mode; see `common.export.checkpoint`.

    The file holds the whole network, as the published one does, or a state dict; nothing in it is executed.
    """
    weights = read_weights(path)
    return checkpoint.load(PCB(), weights, path, "PCB")


def seeded() -> PCB:
    """Return the network with seeded weights, see `common.export.seeded`."""
    logits = {f"instance{stripe}": Target() for stripe in range(STRIPES)}
    return fitted(PCB, np.stack([_sample_input(*crop) for crop in PERSONS.values()]), logits, "bn3")


def _sample_input(picture: str, left: int, top: int) -> NDArray[np.float32]:
    person = cv2.resize(views(library_picture(picture), left, top)[0], (WIDTH, HEIGHT))
    return network_input(person[..., ::-1].astype(np.uint8))
