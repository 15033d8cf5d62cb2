"""The network against the published keys, and the checkpoints it takes or refuses, as files of a small network."""

from __future__ import annotations

import os
import pickle

import pytest
import torch
from torch import nn

from common.errors import GuideError
from common.export import checkpoint
from pcb_market import network as network_module
from pcb_market.network import PCB, load_checkpoint
from tests.conftest import FACTS, read_json
from tests.whole_network import save_module


@pytest.fixture
def full():
    """The network's entries without their values."""
    with torch.device("meta"):
        return PCB()


def test_state_dict_has_the_published_entries_in_order(full, reference):
    keys = read_json(reference / "keys.json")
    assert [(key, list(value.shape)) for key, value in full.state_dict().items()] == [
        (key, entry["shape"]) for key, entry in keys.items()
    ]


def test_network_has_338_entries_and_the_published_number_of_parameters(full):
    assert len(full.state_dict()) == 338
    assert sum(parameter.numel() for parameter in full.parameters()) == 27_239_874


class Small(nn.Module):
    """A network of the same kinds of modules, one inside of the other."""

    def __init__(self):
        super().__init__()
        self.base = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Sequential(nn.ReLU()))
        self.instance0 = nn.Linear(256, 751)


@pytest.fixture
def small(monkeypatch):
    """A small network, which load_checkpoint takes for the real one."""
    monkeypatch.setattr(network_module, "PCB", Small)
    return Small()


def same_weights(network, state):
    loaded = network.state_dict()
    return list(loaded) == list(state) and all(torch.equal(loaded[key], state[key]) for key in state)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_whole_network_is_read_without_its_source(legacy, small, tmp_path):
    network = load_checkpoint(save_module(tmp_path / "whole.pt", small, legacy=legacy))
    assert same_weights(network, small.state_dict())
    assert not network.training


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s}])
def test_a_state_dict_is_read_too(wrap, small, tmp_path):
    torch.save(wrap(small.state_dict()), tmp_path / "state.pth")
    assert same_weights(load_checkpoint(tmp_path / "state.pth"), small.state_dict())


@pytest.mark.parametrize(
    "top", ["reid.models.resnet_rpp.ResNet", "torch.nn.parallel.data_parallel.DataParallel", "os.path.Thing"]
)
def test_another_class_is_refused_by_name(top, small, tmp_path):
    path = save_module(tmp_path / "other.pt", small, top)
    with pytest.raises(GuideError, match=f"nothing in it was executed: it asks for {top}"):
        load_checkpoint(path)


def test_a_known_class_that_is_not_the_network_is_refused_by_name(tmp_path):
    torch.save(nn.Sequential(nn.Linear(2, 2)), tmp_path / "part.pt")
    with pytest.raises(GuideError, match="found torch.nn.modules.container.Sequential"):
        load_checkpoint(tmp_path / "part.pt")


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("place", ["alone", "in a state dict", "in the network"])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(legacy, place, small, tmp_path):
    sprung = tmp_path / "sprung"
    path = tmp_path / "evil.pt"
    if place == "in the network":
        module = nn.Linear(2, 2)
        module.hook = Trap(sprung)
        content = nn.Sequential(module)
    else:
        content = Trap(sprung) if place == "alone" else {**small.state_dict(), "trap": Trap(sprung)}
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(GuideError, match=r"nothing in it was executed: it asks for posix.system"):
        load_checkpoint(path)
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
        load_checkpoint(tmp_path / "evil.pt")


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_torchscript_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(GuideError, match="TorchScript"):
        load_checkpoint(tmp_path / "script.pt")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kept", [0, 10, 500, 100_000])
def test_a_truncated_file_is_refused(legacy, kept, small, tmp_path):
    path = save_module(tmp_path / "cut.pt", small, legacy=legacy)
    content = path.read_bytes()
    assert len(content) > kept
    path.write_bytes(content[:kept])
    with pytest.raises(GuideError, match=str(path)):
        load_checkpoint(path)


def test_own_weights_may_have_the_published_name(small, tmp_path, capsys):
    path = save_module(tmp_path / "PCB_3_7.pt", small)
    assert checkpoint.choose(path, FACTS, tmp_path) == path
    assert capsys.readouterr().out == (
        f"note: {path} has the name of the published checkpoint, but is another file; it is taken\n"
    )
    assert same_weights(load_checkpoint(path), small.state_dict())


def test_an_entry_of_another_shape_is_named(small, tmp_path):
    torch.save(small.state_dict() | {"instance0.weight": torch.zeros(3)}, tmp_path / "shape.pth")
    with pytest.raises(GuideError, match="not a checkpoint of PCB:\n  instance0.weight: expected shape"):
        load_checkpoint(tmp_path / "shape.pth")
