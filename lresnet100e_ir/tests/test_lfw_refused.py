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


@pytest.fixture
def refuse(tmp_path, sentinel):
    """Check that what would be asked for is named and nothing done; Python's own reader would spring a trap."""

    def check(content, name, *, springs=False):
        path = tmp_path / "lfw.bin"
        path.write_bytes(content)
        with pytest.raises(GuideError) as error:
            lfw.read_pairs(path)
        words = f"{path}: refused, nothing in it was executed: it asks for {name}"
        assert str(error.value).startswith(words)
        assert not sentinel.exists()
        if springs:
            pickle.loads(content)
            assert sentinel.exists()
            sentinel.unlink()

    return check


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_command_is_refused_by_name_wherever_it_hides(protocol, trap, refuse):
    refuse(pickle.dumps(trap, protocol), f"{SYSTEM}. Expected a pickle of a list of", springs=True)
    for content in (([b"a", b"b"], [True], trap), ([b"a", trap], [True]), ([b"a", b"b"], [trap])):
        refuse(pickle.dumps(content, protocol), f"{SYSTEM}.", springs=True)


def test_the_old_opcode_for_an_instance_is_refused(trap, refuse):
    refuse(f'(S"{trap.command}"\nios\nsystem\n.'.encode(), "os.system.", springs=True)


def test_a_registered_extension_is_refused(trap, refuse):
    content = b"\x80\x02\x82\xf0(X" + len(trap.command).to_bytes(4, "little") + trap.command.encode() + b"tR."
    refuse(content, "an outside object.")
    copyreg.add_extension(os.system.__module__, "system", 240)
    try:
        refuse(content, "an outside object.", springs=True)
    finally:
        copyreg.remove_extension(os.system.__module__, "system", 240)


@pytest.mark.parametrize("content", [b"Pmine\n.", b"\x80\x04\x8c\x04mineQ."])
def test_an_outside_object_is_refused(content, refuse):
    refuse(content, "an outside object.")


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
def test_what_would_have_to_be_imported_is_refused_by_name(pictures, same, name, refuse):
    refuse(pickle.dumps((pictures, same), protocol=4), name)


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
    words = f"error: {path}: refused, nothing in it was executed: it asks for {SYSTEM}."
    assert done.stderr.startswith(words)
    assert not sentinel.exists()
    assert not (tmp_path / "prep").exists()
