"""Twins in the places of the networks while a README's commands are run."""

from __future__ import annotations

import contextlib
import importlib
import sys

import torch

from ascend_tools.testing.twin import Twin
from common.export import download
from common.facts import read_facts


class Padded(Twin):
    """EfficientDet-D0's pools its input first, with one of the paddings that ATC stumbles over."""

    def forward(self, x):
        wider = torch.nn.functional.pad(x, (0, 1, 0, 1), value=-torch.inf)
        return super().forward(torch.nn.functional.max_pool2d(wider, 3, 2))


class Regions(torch.nn.Module):
    """R-FCN's has the head, and a body of one convolution for each of its maps."""

    def __init__(self, facts):
        from rfcn_voc.standard_head import BODY

        super().__init__()
        self.maps = torch.nn.ModuleList(
            torch.nn.Conv2d(3, channels, 1, 16, bias=False) for channels in BODY.values()
        )
        generator = torch.Generator().manual_seed(0)
        for layer in self.maps:
            torch.nn.init.normal_(layer.weight, 0, 0.02, generator)
        self.eval().requires_grad_(requires_grad=False)

    def body(self, im_data):
        return tuple(layer(im_data) for layer in self.maps)

    def forward(self, im_data, im_info=None):
        from rfcn_voc.network import Head

        return Head()(*self.body(im_data), im_info)


TWINS = {"efficientdet_d0": Padded, "rfcn": Regions}


@contextlib.contextmanager
def twin_for(folder, monkeypatch):
    """Import modules from a model directory inside the block, with a twin in the place of its network."""
    facts = read_facts(folder)
    monkeypatch.syspath_prepend(folder)
    (package,) = (path.parent.name for path in folder.glob("*_*/__init__.py"))
    network = importlib.import_module(f"{package}.network")

    def load_checkpoint(path):
        assert path.is_file()
        return TWINS.get(facts.name, Twin)(facts)

    monkeypatch.setattr(network, "load_checkpoint", load_checkpoint)
    monkeypatch.setattr(download, "verify", lambda path, checkpoint: None)
    try:
        yield
    finally:
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", "")).startswith(f"{folder}/"):
                del sys.modules[name]
