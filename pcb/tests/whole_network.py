"""A whole network saved under a class whose source is nowhere, as the published checkpoint is."""

from __future__ import annotations

import sys
import types
import warnings

import pytest
import torch


def save_module(path, network, top="reid.models.resnet.ResNet", *, legacy=False):
    """Save the children of a network inside of the class `top`, and return the path."""
    module, _, name = top.rpartition(".")
    published = type(name, (torch.nn.Module,), {"__module__": module})
    whole = published()
    for key, child in network.named_children():
        whole.add_module(key, child)
    stand_in = types.ModuleType(module)
    setattr(stand_in, name, published)
    words = module.split(".")
    parents = [".".join(words[:count]) for count in range(1, len(words))]
    made = {parent: types.ModuleType(parent) for parent in parents if parent not in sys.modules}
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for key, value in {**made, module: stand_in}.items():
            patch.setitem(sys.modules, key, value)
        warnings.simplefilter("ignore")  # the source of this class is nowhere
        torch.save(whole, path, _use_new_zipfile_serialization=not legacy)
    return path
