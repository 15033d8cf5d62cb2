"""The network against the published keys and the recipe's outputs, and the checkpoints it takes or refuses."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the network needs torch")

from common.backends.torch import run_torch  # noqa: E402
from common.errors import GuideError  # noqa: E402
from common.export.checkpoint import seeded  # noqa: E402
from common.facts import read_facts  # noqa: E402
from pcb_market.network import PCB, load_checkpoint  # noqa: E402
from pcb_market.pipeline import prepare  # noqa: E402
from tests.conftest import HERE, read_json, save_module, write_person  # noqa: E402

MODEL = read_facts(HERE)
CROPS = {
    "astronaut": np.s_[60:188, 190:254],
    "coffee": np.s_[150:278, 220:284],
    "grace_hopper": np.s_[60:444, 190:318],
}


@pytest.fixture(scope="module")
def state():
    return seeded(PCB).state_dict()


def same_weights(network, state):
    loaded = network.state_dict()
    return list(loaded) == list(state) and all(torch.equal(loaded[key], state[key]) for key in state)


def test_state_dict_has_the_published_entries_in_order(reference):
    keys = read_json(reference / "keys.json")
    assert [(key, list(value.shape)) for key, value in PCB().state_dict().items()] == [
        (key, entry["shape"]) for key, entry in keys.items()
    ]


def test_network_has_338_entries_and_the_published_number_of_parameters():
    network = PCB()
    assert len(network.state_dict()) == 338
    assert sum(parameter.numel() for parameter in network.parameters()) == 27_239_874


@pytest.mark.parametrize("picture", CROPS)
def test_recipe_checkpoint_gives_the_reference_outputs(
    picture, recipe_checkpoint, cases, library_pictures, tmp_path
):
    write_person(tmp_path / "person.png", library_pictures[picture][CROPS[picture]])
    features, *logits = run_torch(
        load_checkpoint(recipe_checkpoint, MODEL), prepare(tmp_path / "person.png")[0][None]
    )
    stored = np.load(cases / f"recipe_{picture}.npz")
    np.testing.assert_allclose(features[0], stored["features"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(np.concatenate(logits), stored["logits"], rtol=0, atol=1e-3)


def test_each_stripe_has_length_1():
    features, *logits = run_torch(seeded(PCB), np.ones((2, 3, 384, 128), np.float32))
    assert features.shape == (2, 2048, 6, 1)
    assert [output.shape for output in logits] == [(2, 751)] * 6
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_network_is_read_without_its_source(legacy, state, tmp_path):
    path = save_module(tmp_path / "whole.pt", state, legacy=legacy)
    assert same_weights(load_checkpoint(path, MODEL), state)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s}])
def test_a_state_dict_is_read_too(wrap, state, tmp_path):
    torch.save(wrap(state), tmp_path / "state.pth")
    assert same_weights(load_checkpoint(tmp_path / "state.pth", MODEL), state)


@pytest.mark.parametrize(
    "top", ["reid.models.resnet_rpp.ResNet", "torch.nn.parallel.data_parallel.DataParallel", "os.path.Thing"]
)
def test_another_class_is_refused_by_name(top, state, tmp_path):
    path = save_module(tmp_path / "other.pt", state, top)
    with pytest.raises(GuideError, match=f"nothing in it was executed: it asks for {top}"):
        load_checkpoint(path, MODEL)


def test_a_known_class_that_is_not_the_network_is_refused_by_name(tmp_path):
    torch.save(torch.nn.Sequential(torch.nn.Linear(2, 2)), tmp_path / "part.pt")
    with pytest.raises(GuideError, match="found torch.nn.modules.container.Sequential"):
        load_checkpoint(tmp_path / "part.pt", MODEL)


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("place", ["alone", "in a state dict", "in the network"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(legacy, place, state, tmp_path):
    sprung = tmp_path / "sprung"
    path = tmp_path / "evil.pt"
    if place == "in the network":
        module = torch.nn.Linear(2, 2)
        module.hook = Trap(sprung)
        content = torch.nn.Sequential(module)
    else:
        content = Trap(sprung) if place == "alone" else {**state, "trap": Trap(sprung)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(GuideError, match=r"nothing in it was executed: it asks for posix.system"):
        load_checkpoint(path, MODEL)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))  # the trap itself works
    assert sprung.exists()


@pytest.mark.parametrize("wanted", ["builtins.eval", "builtins.getattr", "torch.load", "torch.hub.load"])
def test_functions_of_the_standard_library_and_of_torch_are_refused_by_name(wanted, tmp_path):
    module, _, name = wanted.rpartition(".")
    program = f"c{module}\n{name}\n(S'1'\ntR.".encode()
    torch.save({}, tmp_path / "evil.pt", _use_new_zipfile_serialization=False)
    content = (tmp_path / "evil.pt").read_bytes()
    empty = pickle.dumps({}, protocol=2)
    assert content.count(empty) == 1
    (tmp_path / "evil.pt").write_bytes(content.replace(empty, program))
    with pytest.raises(GuideError, match=f"it asks for {wanted}"):
        load_checkpoint(tmp_path / "evil.pt", MODEL)


def test_a_bare_pickle_is_refused_unread(tmp_path):
    sprung = tmp_path / "sprung"
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(GuideError, match="not a checkpoint saved by torch.save"):
        load_checkpoint(tmp_path / "evil.pt", MODEL)
    assert not sprung.exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(GuideError, match="TorchScript"):
        load_checkpoint(tmp_path / "script.pt", MODEL)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kept", [0, 10, 500, 100_000])
def test_a_truncated_file_is_refused(legacy, kept, state, tmp_path):
    path = save_module(tmp_path / "cut.pt", state, legacy=legacy)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(GuideError, match=str(path)):
        load_checkpoint(path, MODEL)


def test_a_file_of_the_published_name_must_be_the_published_one(state, tmp_path):
    path = save_module(tmp_path / "PCB_3_7.pt", state)
    with pytest.raises(GuideError, match=f"expected md5 {MODEL.checkpoint.md5}, found "):
        load_checkpoint(path, MODEL)


def test_an_entry_of_another_shape_is_named(state, tmp_path):
    torch.save(state | {"local_conv.weight": torch.zeros(3)}, tmp_path / "shape.pth")
    with pytest.raises(GuideError, match="not a checkpoint of PCB:\n  local_conv.weight: expected shape"):
        load_checkpoint(tmp_path / "shape.pth", MODEL)


def test_a_missing_checkpoint_is_named(tmp_path):
    with pytest.raises(GuideError, match="absent.pt: no such checkpoint"):
        load_checkpoint(tmp_path / "absent.pt", MODEL)
