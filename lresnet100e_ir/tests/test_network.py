"""The network against the published keys, without its weights; checkpoints that are none of it."""

from __future__ import annotations

import pytest
import torch

from common.errors import GuideError
from lresnet_lfw import network
from lresnet_lfw.network import LResNet, Unit, load_checkpoint
from tests.conftest import read_json


@pytest.fixture(scope="module")
def published():
    """The network without memory for its weights."""
    with torch.device("meta"):
        return LResNet()


def test_state_dict_has_the_published_entries_in_order(published, reference):
    keys = read_json(reference / "keys.json")
    assert [(key, list(value.shape)) for key, value in published.state_dict().items()] == [
        (key, entry["shape"]) for key, entry in keys.items()
    ]


def test_network_has_the_published_entries_parameters_and_strides(published):
    assert len(published.state_dict()) == 772
    assert sum(parameter.numel() for parameter in published.parameters()) == 65_502_016
    units = list(published.body)
    assert len(units) == 49
    assert [i for i, unit in enumerate(units) if unit.res_layer[3].stride == (2, 2)] == [0, 3, 16, 46]


def test_a_unit_with_as_many_channels_takes_every_second_value():
    unit, x = Unit(64, 64, 2).eval(), torch.randn(1, 64, 6, 6)
    assert torch.equal(unit.shortcut_layer(x), x[:, :, ::2, ::2])


def test_a_checkpoint_may_hold_the_weights_under_model(tmp_path, monkeypatch):
    monkeypatch.setattr(network, "LResNet", lambda: torch.nn.Linear(3, 2))
    state = network.LResNet().state_dict()
    torch.save({"model": state, "epoch": 8}, tmp_path / "wrapped.pth")
    loaded = load_checkpoint(tmp_path / "wrapped.pth")
    assert not loaded.training
    assert all(torch.equal(value, state[key]) for key, value in loaded.state_dict().items())


def test_a_checkpoint_of_another_depth_is_refused(published, tmp_path):
    keys = [key.replace("body.48.", "body.49.") for key in published.state_dict()]
    path = tmp_path / "deeper.pth"
    torch.save({key: torch.zeros(()) for key in keys}, path)
    with torch.device("meta"), pytest.raises(GuideError) as error:
        load_checkpoint(path)
    message = str(error.value)
    assert message.startswith(f"{path}: not a checkpoint of LResNet100E-IR:\n  ")
    assert "15 of 772 entries are missing: body.48." in message
    assert "15 entries do not belong to it: body.49." in message
