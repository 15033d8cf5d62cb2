"""Pickles that would run something are refused, and nothing in them is run."""

from __future__ import annotations

import copyreg
import os
import pickle
import subprocess

import numpy as np
import pytest

from common.errors import GuideError
from lresnet_lfw import lfw

SYSTEM = f"{os.system.__module__}.system"


class Trap:
    """Runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


@pytest.fixture
def sentinel(tmp_path):
    """The file that a trap makes."""
    return tmp_path / "it ran"


@pytest.fixture
def trap(sentinel):
    return Trap(f"touch '{sentinel}'")


def refusal(path, content=None):
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(GuideError) as error:
        lfw.read_pairs(path)
    message = str(error.value)
    assert message.startswith(f"{path}: refused, nothing in it was executed: it asks for ")
    return message


def springs(content, sentinel):
    """Whether Python's own reader runs what the pickle holds."""
    assert not sentinel.exists()
    pickle.loads(content)
    return sentinel.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_refused_by_name(protocol, trap, sentinel, tmp_path):
    content = pickle.dumps(([b"a", b"b"], [True], trap), protocol)
    if protocol < 3:  # whose bytes are a call too, which comes first
        content = pickle.dumps(trap, protocol)
    assert f"it asks for {SYSTEM}." in refusal(tmp_path / "lfw.bin", content)
    assert not sentinel.exists()
    assert springs(content, sentinel)


@pytest.mark.parametrize("place", ["picture", "label"])
def test_a_command_is_found_wherever_it_hides(place, trap, sentinel, tmp_path):
    pictures, same = ([b"a", trap], [True]) if place == "picture" else ([b"a", b"b"], [trap])
    content = pickle.dumps((pictures, same), 4)
    assert SYSTEM in refusal(tmp_path / "lfw.bin", content)
    assert not sentinel.exists()
    assert springs(content, sentinel)


def test_the_old_opcode_for_an_instance_is_refused(trap, sentinel, tmp_path):
    content = f'(S"{trap.command}"\nios\nsystem\n.'.encode()
    assert "it asks for os.system." in refusal(tmp_path / "lfw.bin", content)
    assert not sentinel.exists()
    assert springs(content, sentinel)


def test_a_registered_extension_is_refused(trap, sentinel, tmp_path):
    content = b"\x80\x02\x82\xf0(X" + len(trap.command).to_bytes(4, "little") + trap.command.encode() + b"tR."
    copyreg.add_extension(os.system.__module__, "system", 240)
    try:
        for _ in range(2):  # once resolved, Python keeps an extension and looks it up no more
            assert SYSTEM in refusal(tmp_path / "lfw.bin", content)
        assert not sentinel.exists()
        assert springs(content, sentinel)
    finally:
        copyreg.remove_extension(os.system.__module__, "system", 240)


def test_an_unknown_extension_is_refused(tmp_path):
    path = tmp_path / "lfw.bin"
    path.write_bytes(b"\x80\x02\x82\xf0)R.")
    with pytest.raises(GuideError, match="not a pickle, or damaged .unregistered extension code 240."):
        lfw.read_pairs(path)


@pytest.mark.parametrize("content", [b"Pmine\n.", b"\x80\x04\x8c\x04mineQ."])
def test_an_outside_object_is_refused(content, tmp_path):
    assert "it asks for an outside object, 'mine'." in refusal(tmp_path / "lfw.bin", content)


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_bytes_that_python_3_wrote_for_python_2_are_refused_as_the_call_they_are(protocol, tmp_path):
    content = pickle.dumps(([b"\xff\xd8", b"\xff\xd8"], [True]), protocol)
    assert (
        "it asks for _codecs.encode. Expected a pickle of a list of bytes and a list of booleans."
        in refusal(tmp_path / "lfw.bin", content)
    )


@pytest.mark.parametrize(
    ("pictures", "same", "name"),
    [
        ([np.zeros(3, np.uint8), b"a"], [True], "numpy"),
        ([b"a", b"b"], [np.True_], "numpy"),
        (np.zeros(3, np.uint8), np.array([True]), "numpy"),
        ([b"a", bytearray(b"b")], [True], "builtins.bytearray"),
        ([b"a", b"b"], [subprocess.Popen], "subprocess.Popen"),
    ],
)
def test_what_would_have_to_be_imported_is_refused_by_name(pictures, same, name, tmp_path):
    content = pickle.dumps((pictures, same), protocol=4)
    assert f"it asks for {name}" in refusal(tmp_path / "lfw.bin", content)


def test_labels_that_would_run_something_are_refused(trap, sentinel, tmp_path):
    path = tmp_path / "lfw_list.npy"
    np.save(path, np.array([trap, True], object), allow_pickle=True)
    with pytest.raises(GuideError, match="not a .npy file of plain values"):
        lfw.read_labels(path)
    assert not sentinel.exists()
    np.load(path, allow_pickle=True)
    assert sentinel.exists()


def test_a_command_line_step_says_so_in_one_message(trap, sentinel, tmp_path, run):
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps(([b"a", b"b"], trap), 4))
    done = run("preprocess.py", "jpg", path, tmp_path / "prep")
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"error: {path}: refused, nothing in it was executed: it asks for {SYSTEM}."
    )
    assert not sentinel.exists()
    assert not (tmp_path / "prep").exists()
