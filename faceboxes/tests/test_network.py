"""The network against the published keys, the recipe's outputs and the published weights' outputs."""

from __future__ import annotations

import os
import pickle
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs torch")

from common.errors import GuideError  # noqa: E402
from faceboxes_fddb.network import FaceBoxes, load_checkpoint, run_torch, seeded_network  # noqa: E402
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


def save(tmp_path, content):
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path)
    return path


def test_prefix_and_wrapper_are_taken_off(tmp_path):
    state = seeded_network().state_dict()
    wrapped = {"state_dict": {f"module.{key}": value for key, value in state.items()}}
    loaded = load_checkpoint(save(tmp_path, wrapped)).state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def damaged(state, case):
    key = "conv3_1.conv.weight"
    if case == "missing":
        del state[key]
    elif case == "extra":
        state["fc.weight"] = torch.zeros(3)
    elif case == "shape":
        state[key] = state[key][:64]
    elif case == "nan":
        state[key][0, 0] = float("nan")
    return state


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("missing", "1 of 174 entries are missing: conv3_1.conv.weight"),
        ("extra", "1 entries do not belong to it: fc.weight"),
        ("shape", r"conv3_1.conv.weight: expected shape \(128, 128, 1, 1\), found \(64, 128, 1, 1\)"),
        ("nan", "conv3_1.conv.weight: holds values that are not finite"),
    ],
)
def test_an_unfitting_state_dict_is_refused(case, words, tmp_path):
    path = save(tmp_path, damaged(seeded_network().state_dict(), case))
    with pytest.raises(GuideError, match=words):
        load_checkpoint(path)


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    path = save(tmp_path, torch.nn.Linear(3, 2).state_dict())
    with pytest.raises(GuideError, match="174 of 174 entries are missing"):
        load_checkpoint(path)


ODD = {
    "sparse": torch.eye(3).to_sparse(),
    "complex": torch.zeros(24, 3, 7, 7, dtype=torch.complex64),
    "boolean": torch.zeros(24, 3, 7, 7, dtype=torch.bool),
    "no tensor": "text",
}


@pytest.mark.parametrize("kind", ODD)
def test_a_tensor_of_another_kind_is_refused_by_name(kind, tmp_path):
    state = seeded_network().state_dict() | {"conv1.conv.weight": ODD[kind]}
    with pytest.raises(GuideError, match="conv1.conv.weight: expected"):
        load_checkpoint(save(tmp_path, state))


def test_entries_with_and_without_the_prefix_are_refused(tmp_path):
    state = seeded_network().state_dict()
    with pytest.raises(GuideError, match="both with and without the prefix"):
        load_checkpoint(save(tmp_path, state | {"module.conv1.conv.weight": torch.zeros(24, 3, 7, 7)}))


def test_half_precision_weights_are_taken(tmp_path):
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in seeded_network().state_dict().items()
    }
    assert load_checkpoint(save(tmp_path, state)).conv1.conv.weight.dtype == torch.float32


@pytest.mark.parametrize("content", [[1, 2], torch.zeros(3), {"state_dict": 3}, {"epoch": 3}])
def test_content_that_is_no_state_dict_is_refused(content, tmp_path):
    with pytest.raises(GuideError, match="expected a state dict"):
        load_checkpoint(save(tmp_path, content))


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(legacy, tmp_path):
    sprung = tmp_path / "sprung"
    path = tmp_path / "evil.pth"
    torch.save({"conv1.conv.weight": Trap(sprung)}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(GuideError, match=r"nothing in it was executed: .* \(posix.system\)") as error:
        load_checkpoint(path)
    assert "weights_only" not in str(error.value)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))  # the trap itself works
    assert sprung.exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04broken", b"\x80\x02}q\x00", b"\x00" * 1000])
def test_a_file_that_is_no_checkpoint_is_refused(content, tmp_path):
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    with pytest.raises(GuideError, match="broken.pth"):
        load_checkpoint(path)


def test_every_truncation_of_a_checkpoint_is_refused(seeded_checkpoint, tmp_path):
    data = seeded_checkpoint.read_bytes()
    assert zipfile.is_zipfile(seeded_checkpoint)
    path = tmp_path / "cut.pth"
    for end in range(0, len(data), len(data) // 20):
        path.write_bytes(data[:end])
        with pytest.raises(GuideError, match="cut.pth"):
            load_checkpoint(path)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(GuideError, match="absent.pth: no such checkpoint"):
        load_checkpoint(tmp_path / "absent.pth")


def test_seeded_weights_are_the_same_every_time_and_leave_the_generator_alone():
    before = torch.random.get_rng_state()
    first, second = seeded_network().state_dict(), seeded_network().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert torch.equal(before, torch.random.get_rng_state())
