"""checkpoint.py: a file is read without executing anything in it, and only the right weights are loaded."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="checkpoints are torch's")

from torch import nn  # noqa: E402

from common.errors import GuideError  # noqa: E402
from common.export import checkpoint, download  # noqa: E402
from common.facts import read_facts  # noqa: E402
from tests.conftest import refused  # noqa: E402

KEY = "conv.weight"
ABSENT = "no such checkpoint; section 3.1 of the README says where to get it."
COUNT = 7  # entries of the state dict


class Tiny(nn.Module):
    """Nx3xHxW to Nx2xHxW, with a whole number among its entries."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        self.bn = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.bn(self.conv(x))


@pytest.fixture
def state():
    torch.manual_seed(0)
    return Tiny().state_dict()


def load(path):
    return checkpoint.load(Tiny(), checkpoint.read(path), path, "Tiny")


def save(folder, content, **options):
    torch.save(content, folder / "tiny.pth", **options)
    return folder / "tiny.pth"


def refusal(path):
    with pytest.raises(GuideError) as error:
        load(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "weights_only" not in message
    return message.removeprefix(f"{path}: ")


def same(network, state):
    found = network.state_dict()
    return found.keys() == state.keys() and all(torch.equal(found[key], state[key]) for key in state)


def test_a_network_is_loaded_and_put_into_evaluation_mode(tmp_path, state):
    network = load(save(tmp_path, state))
    assert not network.training
    assert len(state) == COUNT
    assert same(network, state)


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_prefix_and_wrapper_are_taken_off(tmp_path, state, wrapper, prefix):
    content = {f"{prefix}{key}": value for key, value in state.items()}
    if wrapper:
        content = {"epoch": 3, "optimizer": {"lr": 0.1}, wrapper: content}
    assert same(load(save(tmp_path, content)), state)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "found a list."),
        (torch.zeros(3), "found a tensor."),
        ({}, "found a dict with the keys ."),
        ({"state_dict": 3}, "found a int."),
        ({"model": [torch.zeros(3)]}, "found a list."),
        ({"epoch": 3, "lr": 0.1}, "found a dict with the keys epoch, lr."),
        ({"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}, "found a dict with the keys a, b, c and 2 more."),
    ],
)
def test_content_that_is_no_state_dict_is_refused(tmp_path, state, content, words):
    assert refusal(save(tmp_path, content)) == f"expected a state dict, tensors by name, {words}"
    both = save(tmp_path, state | {f"module.{KEY}": state[KEY]})
    assert refusal(both) == "holds entries both with and without the prefix `module.`."


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    assert refusal(save(tmp_path, nn.Linear(3, 2).state_dict())).splitlines() == [
        "not a checkpoint of Tiny:",
        f"  {COUNT} of {COUNT} entries are missing: conv.weight, conv.bias, bn.weight and {COUNT - 3} more",
        "  2 entries do not belong to it: weight, bias",
    ]


def zeros(*shape, dtype=torch.float32):
    return torch.zeros(*shape, dtype=dtype)


UNFIT = [
    ("fc.weight", zeros(3), "1 entries do not belong to it: fc.weight"),
    (KEY, None, f"1 of {COUNT} entries are missing: {KEY}"),
    (KEY, zeros(1, 3, 1, 1), f"{KEY}: expected shape (2, 3, 1, 1), found (1, 3, 1, 1)"),
    (KEY, zeros(2, 3, 1, 1) / 0, f"{KEY}: holds values that are not finite"),
    ("bn.running_var", torch.tensor([1, float("inf")]), "bn.running_var: holds values that are not finite"),
    (KEY, "text", f"{KEY}: expected a dense tensor, found str"),
    (KEY, zeros(2, 3, 1, 1, dtype=torch.complex64), f"{KEY}: expected torch.float32, found torch.complex64"),
    (KEY, zeros(2, 3, 1, 1, dtype=torch.bool), f"{KEY}: expected torch.float32, found torch.bool"),
    (KEY, zeros(2, 3, 1, 1, dtype=torch.int64), f"{KEY}: expected torch.float32, found torch.int64"),
    (
        "bn.num_batches_tracked",
        torch.tensor(1.0),
        "bn.num_batches_tracked: expected torch.int64, found torch.float32",
    ),
]


@pytest.mark.parametrize("number", range(len(UNFIT)))
def test_an_entry_that_does_not_fit_is_refused_by_name(tmp_path, state, number):
    key, value, words = UNFIT[number]
    state[key] = value
    if value is None:
        del state[key]
    assert refusal(save(tmp_path, state)) == f"not a checkpoint of Tiny:\n  {words}"


def test_all_that_is_wrong_is_told_at_once(tmp_path, state):
    for key, value, _ in (UNFIT[0], UNFIT[2], UNFIT[4]):
        state[key] = value
    assert refusal(save(tmp_path, state)).count("\n  ") == 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_weights_of_another_precision_are_taken(tmp_path, state, dtype):
    other = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
    assert load(save(tmp_path, other)).conv.weight.dtype == torch.float32


class Trap:
    """Creates a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_that_would_run_code_is_refused_and_not_run(tmp_path, legacy):
    sprung = tmp_path / "sprung"
    path = save(tmp_path, {KEY: Trap(sprung)}, _use_new_zipfile_serialization=not legacy)
    assert refusal(path) == (
        "refused, nothing in it was executed: it asks for posix.system. "
        "Expected the tensors of a network, saved by torch.save."
    )
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))  # the trap itself works
    assert sprung.exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04broken", b"\x80\x02}q\x00", b"\x00" * 1000])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "broken.pth"
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_every_truncation_of_a_checkpoint_is_refused(tmp_path, state, legacy):
    path = save(tmp_path, state, _use_new_zipfile_serialization=not legacy)
    data = path.read_bytes()
    assert zipfile.is_zipfile(path) != legacy
    for end in {*range(0, len(data), len(data) // 40), len(data) - 1}:
        path.write_bytes(data[:end])
        refusal(path)


def test_a_missing_checkpoint_is_named(tmp_path):
    assert refusal(tmp_path / "absent.pth") == ABSENT
    assert refusal(tmp_path / "absent" / "too.pth") == ABSENT
    os.mkfifo(tmp_path / "pipe.pth")
    for thing in (tmp_path, tmp_path / "pipe.pth", Path("/dev/zero")):
        assert refusal(thing).startswith("expected a checkpoint, found a directory or another thing")


def test_the_published_checkpoint_is_looked_for_in_weights_and_verified(tmp_path, write_model):
    content = bytes(range(250)) * 4
    digest = hashlib.sha256(content).hexdigest()
    model = read_facts(write_model(('"00"', f'"{digest}"'), ('"https://example.org/tiny.pth"', "")))
    with pytest.raises(download.UnavailableError, match=f"put it at {tmp_path}/weights/tiny.pth"):
        checkpoint.published(model, tmp_path)
    path = tmp_path / "weights" / "tiny.pth"
    path.write_bytes(content)
    assert checkpoint.published(model, tmp_path) == path
    path.write_bytes(content[::-1])
    with pytest.raises(GuideError, match=f"{path}: expected sha256 {digest}, found "):
        checkpoint.published(model, tmp_path)


@pytest.fixture
def pairs(write_model):
    """Facts with a published file, and another one that is the guide's; the content of the published one."""
    content = bytes(range(250)) * 4
    digest = hashlib.sha256(content).hexdigest()
    guides = '[checkpoint.guides]\nfile = "own.pth"\nlicence = "MIT"\nurls = ["https://example.org/own"]\n'
    none = ('"https://example.org/tiny.pth"]\n', f"]\n{guides}")
    return read_facts(write_model(('"00"', f'"{digest}"'), none)), content


def test_the_published_checkpoint_is_looked_for_in_the_guides_places_too(tmp_path, pairs):
    facts, content = pairs
    places = [tmp_path / place for place in ("", "model", "weights")]
    for place in places:  # each goes before those written so far
        place.mkdir(exist_ok=True)
        (place / "tiny.pth").write_bytes(content)
        assert checkpoint.published(facts, tmp_path) == place / "tiny.pth"
    for place in places:
        (place / "own.pth").write_bytes(b"anything")
        assert checkpoint.published(facts, tmp_path) == place / "own.pth"
        assert checkpoint.choose(None, facts, tmp_path) == place / "own.pth"
    for place in places:
        (place / "own.pth").unlink()
    (tmp_path / "weights" / "tiny.pth").unlink()
    (tmp_path / "model" / "tiny.pth").write_bytes(content[::-1])
    with pytest.raises(GuideError, match=f"{tmp_path}/model/tiny.pth: expected sha256 "):
        checkpoint.published(facts, tmp_path)


@pytest.mark.parametrize("place", ["weights", "model", ""])
@pytest.mark.parametrize("name", ["own.pth", "tiny.pth"])
def test_what_stands_in_its_place_and_is_no_file_is_not_passed_over(tmp_path, pairs, place, name):
    facts, content = pairs
    for folder in ("weights", "model"):
        (tmp_path / folder).mkdir()
    path = tmp_path / place / name
    path.symlink_to("a disk that is not mounted")
    with refused(f"{path}: no such checkpoint", whole=False):
        checkpoint.published(facts, tmp_path)
    path.unlink()
    path.mkdir()
    with refused(f"{path}: expected a checkpoint, found a directory", whole=False):
        checkpoint.published(facts, tmp_path)
    path.rmdir()
    (tmp_path / "elsewhere").write_bytes(content)
    path.symlink_to(tmp_path / "elsewhere")
    assert checkpoint.published(facts, tmp_path) == path


def test_the_guides_own_file_is_named_where_there_is_none(tmp_path, pairs):
    facts, _ = pairs
    with pytest.raises(download.UnavailableError) as error:
        checkpoint.published(facts, tmp_path)
    *_, published, guides = str(error.value).splitlines()
    assert f"put it at {tmp_path}/weights/tiny.pth, or name it with --checkpoint." in published
    assert guides == "Or put the guide's own own.pth there, from https://example.org/own."


@pytest.mark.parametrize("given", [True, False])
def test_a_checkpoint_that_its_user_knows_is_verified_named_or_found(tmp_path, pairs, given):
    facts, content = pairs
    path = tmp_path / "weights" / "own.pth"
    path.parent.mkdir()
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    assert checkpoint.choose(path if given else None, facts, tmp_path, digest) == path
    with pytest.raises(
        GuideError, match=f"{path}: expected sha256 {'0' * 64}, which --sha256 says, found {digest}"
    ):
        checkpoint.choose(path if given else None, facts, tmp_path, "0" * 64)


def test_every_module_is_imported_without_torch():
    code = (
        "import importlib, pkgutil, sys; sys.modules['torch'] = None; import common\n"
        "for module in pkgutil.walk_packages(common.__path__, 'common.'): importlib.import_module(module.name)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
