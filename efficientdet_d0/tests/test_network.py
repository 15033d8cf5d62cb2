"""The network's state dict against the published one, and which checkpoints are taken; nothing runs here."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the network needs torch")

from common.errors import GuideError  # noqa: E402
from efficientdet_coco.network import build, load_checkpoint, seeded  # noqa: E402
from tests.conftest import read_json  # noqa: E402

CLASSES = "class_net.predict.conv_pw.weight"


@pytest.fixture(scope="module")
def state():
    return seeded().network.state_dict()


def test_state_dict_has_the_published_entries_in_order(state, reference):
    keys = read_json(reference / "keys.json")
    assert [(key, list(value.shape)) for key, value in state.items()] == [
        (key, entry["shape"]) for key, entry in keys.items()
    ]


def test_network_has_784_entries_and_the_published_number_of_parameters(state):
    assert len(state) == 784
    assert sum(parameter.numel() for parameter in build().parameters()) == 3_880_067


def test_prefix_and_wrapper_are_taken_off(state, tmp_path):
    path = tmp_path / "wrapped.pth"
    torch.save({"epoch": 3, "state_dict": {f"module.{key}": value for key, value in state.items()}}, path)
    network = load_checkpoint(path)
    assert not network.training
    assert all(torch.equal(value, state[key]) for key, value in network.network.state_dict().items())


def test_a_checkpoint_with_another_number_of_classes_is_refused(state, tmp_path):
    torch.save({**state, CLASSES: state[CLASSES][:720]}, tmp_path / "other.pth")
    words = rf"{CLASSES}: expected shape \(810, 64, 1, 1\), found \(720, 64, 1, 1\)"
    with pytest.raises(GuideError, match=f"other.pth: not a checkpoint of EfficientDet-D0:\n  {words}"):
        load_checkpoint(tmp_path / "other.pth")
