"""The EfficientDet-D0 network (Tan et al., 2020, https://arxiv.org/abs/1911.09070) and its published checkpoint.

The only module of this package that needs torch. The network is that of the package `effdet`
(https://github.com/rwightman/efficientdet-pytorch), whose 784 entries the published checkpoint has.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor, nn

from common.export import checkpoint
from common.export.seeded import Target
from common.export.seeded import seeded as fitted
from common.images.library import library_picture
from efficientdet_coco.preprocessing import letterbox, network_input
from efficientdet_coco.sample import OBJECTS

if TYPE_CHECKING:
    from effdet import EfficientDet


def build() -> EfficientDet:
    """Return the network as the published checkpoint has it: 90 classes, weights not loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # timm compiles functions at import in a way that newer torch warns of
        from effdet import (  # seconds, which a refused file should not cost
            EfficientDet,
            get_efficientdet_config,
        )
    return EfficientDet(get_efficientdet_config("tf_efficientdet_d0"), pretrained_backbone=False)


class TenMaps(nn.Module):
    """The network with its outputs in a row.

    Input: Nx3x512x512 float32, RGB, normalised as for ImageNet.
    Output: class logits, Nx810xSxS, then box regressions, Nx36xSxS, each for S = 64, 32, 16, 8, 4 (P3 to P7).
    """

    def __init__(self, network: EfficientDet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        classes, boxes = self.network(x)
        return (*classes, *boxes)


def load_checkpoint(path: Path) -> TenMaps:
    """Return the network with the weights of a checkpoint, in evaluation mode; see `common.export.checkpoint`."""
    weights = checkpoint.read(path)
    return TenMaps(checkpoint.load(build(), weights, path, "EfficientDet-D0")).eval()


def seeded() -> TenMaps:
    """Return the network with seeded weights, see `common.export.seeded`: few of a picture's anchors are objects."""
    images = np.stack([network_input(letterbox(library_picture(name)[..., ::-1])[0]) for name in OBJECTS])
    heads = {
        "network.class_net.predict.conv_pw": Target(1.0, (-6.0,)),
        "network.box_net.predict.conv_pw": Target(0.5),
    }
    return fitted(lambda: TenMaps(build()), images, heads, "bn3")
