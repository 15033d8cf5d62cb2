"""The network against the published keys, the recipe's outputs and the published weights' outputs."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs torch")

from common.backends.torch import run_torch  # noqa: E402
from common.errors import GuideError  # noqa: E402
from faceboxes_fddb.network import FaceBoxes, load_checkpoint  # noqa: E402
from faceboxes_fddb.preprocessing import letterbox, network_input  # noqa: E402
from tests.conftest import read_json  # noqa: E402

LOC_TOLERANCE, CONF_TOLERANCE = 1e-4, 5e-5


def check_outputs(found, stored, index="index", loc="loc", conf="conf"):
    rows = stored[index]
    np.testing.assert_allclose(found[0][0][rows], stored[loc], rtol=0, atol=LOC_TOLERANCE)
    np.testing.assert_allclose(found[1][0][rows], stored[conf], rtol=0, atol=CONF_TOLERANCE)


def test_state_dict_has_the_published_entries_in_order(reference):
    keys = read_json(reference / "keys.json")
    state = FaceBoxes().state_dict()
    assert [(key, list(value.shape)) for key, value in state.items()] == [
        (key, entry["shape"]) for key, entry in keys.items()
    ]


def test_network_has_174_entries_and_the_published_number_of_parameters():
    network = FaceBoxes()
    assert len(network.state_dict()) == 174
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_007_330


@pytest.mark.parametrize("picture", ["astronaut", "china", "grace_hopper"])
def test_recipe_checkpoint_gives_the_reference_outputs(
    picture, recipe_state, cases, library_pictures, tmp_path
):
    path = tmp_path / "recipe.pth"
    torch.save({key: torch.from_numpy(np.array(value)) for key, value in recipe_state.items()}, path)
    canvas, _ = letterbox(library_pictures[picture])
    found = run_torch(load_checkpoint(path), network_input(canvas[None]))
    check_outputs(found, np.load(cases / f"recipe_{picture}.npz"))


def test_published_weights_give_the_reference_outputs(published, cases, library_pictures):
    network = load_checkpoint(published)
    for name in read_json(cases / "real" / "real.json")["images"]:
        canvas, _ = letterbox(library_pictures[name])
        found = run_torch(network, network_input(canvas[None]))
        stored = np.load(cases / "real" / f"{name.replace('/', '_')}.npz")
        check_outputs(found, stored)
        check_outputs(found, stored, "sample_index", "sample_loc", "sample_conf")


def test_prefix_and_wrapper_are_taken_off(seeded_checkpoint, tmp_path):
    state = torch.load(seeded_checkpoint, weights_only=True)
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
