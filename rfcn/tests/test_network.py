"""The network's entries, what of its checkpoint is refused, and what tells it from others; `test_full_size` runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from common.errors import GuideError
from rfcn_voc import network
from rfcn_voc.network import Rfcn, load_checkpoint
from tests.conftest import read_json

ALIAS, ITSELF = "RCNN_conv_1x1.weight", "RCNN_conv_new.1.weight"


@pytest.fixture(scope="module")
def empty():
    """The network without memory for its weights."""
    with torch.device("meta"):
        return Rfcn()


@pytest.fixture
def state(empty):
    """A state dict as the published one, all zeros, each entry one number on the disk."""
    return {
        key: torch.zeros((), dtype=value.dtype).expand(value.shape)
        for key, value in empty.state_dict().items()
    }


@pytest.fixture
def quickly_made(monkeypatch):
    """Leaves out drawing the first weights, of which loading leaves none."""
    monkeypatch.setattr(torch.nn.init, "kaiming_uniform_", lambda tensor, **_: tensor)


def test_state_dict_has_the_published_entries(empty, reference):
    keys = read_json(reference / "keys.json")
    assert {key: list(value.shape) for key, value in empty.state_dict().items()} == {
        key: entry["shape"] for key, entry in keys.items()
    }
    assert keys[ALIAS].get("same_as") == ITSELF or keys[ITSELF].get("same_as") == ALIAS
    assert len(keys) == 634


def test_network_has_the_published_number_of_parameters(empty):
    assert sum(parameter.numel() for parameter in empty.parameters()) == 54_612_598


def test_first_pooling_has_no_padding_and_takes_the_rest_at_the_border(empty):
    """672 becomes 336, and 7 becomes 3."""
    assert empty.RCNN_base[3](torch.zeros(1, 1, 672, 7)).shape == (1, 1, 336, 3)
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert empty.RCNN_base[3](image).tolist() == [[[[10, 11], [14, 15]]]]


@pytest.mark.usefixtures("quickly_made")
def test_of_the_two_aliased_keys_one_counts_in_any_order(state, monkeypatch):
    state[ITSELF] = torch.full((), 2.0).expand(state[ITSELF].shape)
    # It comes last now, and holds what would be refused elsewhere.
    state[ALIAS] = torch.full((), float("nan")).expand(state.pop(ALIAS).shape)
    monkeypatch.setattr(network.checkpoint, "read", lambda path: state)
    found = load_checkpoint(Path("a.pth"))
    assert not any(module.training for module in found.modules())
    assert found.RCNN_conv_new[1] is found.RCNN_conv_1x1
    assert (found.RCNN_conv_1x1.weight == 2).all()
    assert not found.RCNN_rpn.RPN_Conv.weight.any()


def missing(key):
    return lambda state: state.pop(key)


def not_finite(key, value):
    def change(state):
        state[key] = state[key].clone()
        state[key].view(-1)[3] = float(value)

    return change


def stranger(state):
    state["RCNN_top.weight"] = torch.zeros(1)


def fewer_classes(state):
    state["RCNN_cls_base.weight"] = state["RCNN_cls_base.weight"][: 81 * 12]


DEEP = "RCNN_base.6.22.bn3.running_mean"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *((missing(key), f"1 of 634 entries are missing: {key}") for key in (DEEP, ALIAS, ITSELF)),
        (stranger, "1 entries do not belong to it: RCNN_top.weight"),
        (fewer_classes, "RCNN_cls_base.weight: expected shape (1029, 1024, 1, 1), found (972,"),
        (
            not_finite("RCNN_rpn.RPN_Conv.bias", "inf"),
            "RCNN_rpn.RPN_Conv.bias: holds values that are not finite",
        ),
        (not_finite(ITSELF, "nan"), f"{ITSELF}: holds values that are not finite"),
    ],
)
def test_another_networks_entries_are_refused(change, words, empty, state, monkeypatch):
    """Before anything is loaded: the network has no memory for it."""
    monkeypatch.setattr(network, "Rfcn", lambda: empty)
    change(state)
    monkeypatch.setattr(network.checkpoint, "read", lambda path: state)
    with pytest.raises(GuideError) as caught:
        load_checkpoint(Path("a.pth"))
    assert str(caught.value).startswith("a.pth: not a checkpoint of R-FCN:")
    assert words in str(caught.value)


def test_a_checkpoint_without_tensors_is_refused(tmp_path):
    torch.save({"model": {}, "epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(GuideError, match="a.pth: expected a state dict"):
        load_checkpoint(tmp_path / "a.pth")
