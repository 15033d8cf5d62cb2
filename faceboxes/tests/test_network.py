"""The network against the published keys, and the checkpoints it takes or refuses."""

from __future__ import annotations

import pytest
import torch

from common.errors import GuideError
from faceboxes_fddb.network import FaceBoxes, load_checkpoint, seeded
from tests.conftest import read_json


@pytest.fixture
def entries():
    """The network's entries without their values."""
    with torch.device("meta"):
        return FaceBoxes().state_dict()


def test_state_dict_has_the_published_entries_in_order(entries, reference):
    keys = read_json(reference / "keys.json")
    assert [(key, list(value.shape)) for key, value in entries.items()] == [
        (key, entry["shape"]) for key, entry in keys.items()
    ]


def test_network_has_174_entries_and_the_published_number_of_parameters(entries):
    assert len(entries) == 174
    assert sum(parameter.numel() for parameter in FaceBoxes().parameters()) == 1_007_330


def test_prefix_and_wrapper_are_taken_off(tmp_path):
    state = seeded().state_dict()
    path = tmp_path / "wrapped.pth"
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    network = load_checkpoint(path)
    assert not network.training
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path = tmp_path / "other.pth"
    torch.save(torch.nn.Linear(3, 2).state_dict(), path)
    with pytest.raises(
        GuideError, match="other.pth: not a checkpoint of FaceBoxes:\n  174 of 174 entries are missing"
    ):
        load_checkpoint(path)
