"""The network against the published keys and the recipe's outputs."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs torch")

from common.backends.torch import run_torch  # noqa: E402
from common.errors import GuideError  # noqa: E402
from common.export.checkpoint import seeded  # noqa: E402
from lresnet_lfw.network import LResNet, Unit, load_checkpoint  # noqa: E402
from lresnet_lfw.postprocessing import add_flipped  # noqa: E402
from lresnet_lfw.preprocessing import mirror, network_input  # noqa: E402
from tests.conftest import UNITS, random_faces, read_json  # noqa: E402

TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def published():
    return LResNet()


@pytest.fixture(scope="module")
def recipe_network(recipe_checkpoint):
    return load_checkpoint(recipe_checkpoint)


def test_state_dict_has_the_published_entries_in_order(published, reference):
    keys = read_json(reference / "keys.json")
    assert [(key, list(value.shape)) for key, value in published.state_dict().items()] == [
        (key, entry["shape"]) for key, entry in keys.items()
    ]


def test_network_has_772_entries_and_the_published_number_of_parameters(published):
    assert len(published.state_dict()) == 772
    assert sum(parameter.numel() for parameter in published.parameters()) == 65_502_016


def test_every_stage_begins_with_half_the_size(published):
    units = list(published.body)
    assert len(units) == 49
    assert [i for i, unit in enumerate(units) if unit.res_layer[3].stride == (2, 2)] == [0, 3, 16, 46]
    assert [i for i, unit in enumerate(units) if list(unit.shortcut_layer.children())] == [3, 16, 46]


def test_a_unit_with_as_many_channels_takes_every_second_value():
    unit, x = seeded(lambda: Unit(64, 64, 2)), torch.randn(1, 64, 6, 6)
    assert torch.equal(unit.shortcut_layer(x), x[:, :, ::2, ::2])


@pytest.mark.parametrize("case", ["astronaut", "coffee", "grace_hopper"])
def test_recipe_checkpoint_gives_the_reference_outputs(case, recipe_network, cases, crops):
    image = network_input(crops[case])
    (features,) = run_torch(recipe_network, np.stack([image, mirror(image)]))
    stored = np.load(cases / f"recipe_{case}.npz")
    np.testing.assert_allclose(features[:1], stored["features"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(features[1:], stored["features_flip"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(add_flipped(features[:1], features[1:]), stored["tta"], rtol=0, atol=TOLERANCE)


def test_every_row_has_length_1(tiny_checkpoint):
    network = LResNet(UNITS)
    network.load_state_dict(torch.load(tiny_checkpoint, weights_only=True))
    images = np.stack([network_input(face) for face in random_faces(3)])
    (features,) = run_torch(network.eval(), images)
    assert (features.shape, features.dtype) == ((3, 512), np.float32)
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)
    assert np.square(features[0] - features[1]).sum() > 0.01


@pytest.mark.usefixtures("tiny_network")
def test_a_checkpoint_may_hold_the_weights_under_model(tiny_checkpoint, tmp_path):
    state = torch.load(tiny_checkpoint, weights_only=True)
    path = tmp_path / "wrapped.pth"
    torch.save({"model": state, "epoch": 8}, path)
    for each in (tiny_checkpoint, path):
        network = load_checkpoint(each)
        assert not network.training
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


@pytest.mark.usefixtures("tiny_network")
def test_a_checkpoint_of_another_depth_is_refused(tiny_checkpoint, tmp_path):
    state = torch.load(tiny_checkpoint, weights_only=True)
    path = tmp_path / "deeper.pth"
    deeper = {key.replace("body.3.", "body.4."): value for key, value in state.items()}
    torch.save(deeper, path)
    with pytest.raises(GuideError) as error:
        load_checkpoint(path)
    message = str(error.value)
    assert message.startswith(f"{path}: not a checkpoint of LResNet100E-IR:\n  ")
    assert f"of {len(state)} entries are missing: body.3." in message
    assert "entries do not belong to it: body.4." in message
