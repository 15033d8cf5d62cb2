"""The network against the published keys."""

from __future__ import annotations

import torch

from faceboxes_fddb.network import FaceBoxes
from tests.conftest import read_json


def network():
    """The network without the values of its weights."""
    with torch.device("meta"):
        return FaceBoxes()


def test_state_dict_has_the_published_entries_in_order(reference):
    keys = read_json(reference / "keys.json")
    assert [(key, list(value.shape)) for key, value in network().state_dict().items()] == [
        (key, entry["shape"]) for key, entry in keys.items()
    ]


def test_network_has_174_entries_and_the_published_number_of_parameters():
    assert len(network().state_dict()) == 174
    assert sum(parameter.numel() for parameter in network().parameters()) == 1_007_330
