"""files.py: a file is complete or absent, whatever happens while it is written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import cli, files
from common.errors import GuideError
from common.files import file_hash, read_bytes, read_text
from tests.conftest import refused

ARRAY = np.arange(10, dtype=np.float32)
WRITERS = {
    "array": (lambda path: files.write_array(path, ARRAY), ARRAY.tobytes()),
    "text": (lambda path: files.write_text(path, "naïve\n"), "naïve\n".encode()),
    "json": (
        lambda path: files.write_json(path, {"naïve": [1, 0.5, None]}),
        '{\n  "naïve": [\n    1,\n    0.5,\n    null\n  ]\n}\n'.encode(),
    ),
}
WRITING = pytest.mark.parametrize(("write", "content"), WRITERS.values(), ids=WRITERS)


class FullDisk:
    """A file on a disk that has room for one more byte."""

    def __init__(self, file):
        self.file, self.room = file, 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, data):
        written = self.file.write(data[: self.room])
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room = 0
        return written


@contextlib.contextmanager
def full_disk():
    really_open, really_write, full = Path.open, os.write, set()

    def write_bytes(descriptor, data):
        if descriptor in full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        full.add(descriptor)
        return really_write(descriptor, data[:1])

    def write_text(path, text, **options):
        with path.open("w", **options) as file:
            while text:
                text = text[file.write(text) :]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", lambda *args, **options: FullDisk(really_open(*args, **options)))
        patch.setattr(Path, "write_text", write_text)
        patch.setattr(os, "write", write_bytes)
        yield


def listing(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@WRITING
def test_a_file_is_written_into_a_new_folder_and_replaces_an_old_one(tmp_path, write, content):
    path = tmp_path / "new" / "deep" / "file.out"
    for _ in range(2):
        write(path)
        assert listing(path.parent) == {"file.out": content}
        path.write_bytes(b"old and much longer than what comes now" * 9)


@WRITING
@pytest.mark.parametrize("before", [{}, {"file.out": b"old"}])
def test_a_full_disk_is_told_leaves_what_was_there_and_no_temporary_file(
    tmp_path, write, content, before, capsys
):
    path = tmp_path / "file.out"
    for name, old in before.items():
        (tmp_path / name).write_bytes(old)
    with full_disk():
        assert cli.command(lambda _: write(path))([]) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: No space left on device; make room, and run ")
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "lost.jpg"),
            "lost.jpg: No such file or directory\n",
        ),
        (OSError("the encoder broke"), "the encoder broke\n"),
    ],
)
def test_an_error_that_is_about_something_else_keeps_its_words(tmp_path, error, message, capsys):
    def write(_):
        with files.staged(tmp_path / "a.bin"):
            raise error

    assert cli.command(write)([]) == 1
    assert capsys.readouterr().err.endswith(message)


def test_text_is_read_as_utf8_alone(tmp_path):
    for content in (b"", b"na\xc3\xafve\n"):
        (tmp_path / "a.txt").write_bytes(content)
        assert files.read_text(tmp_path / "a.txt") == content.decode()
    (tmp_path / "a.txt").write_bytes(b"na\xefve")
    with refused(f"{tmp_path / 'a.txt'}: not a text file in UTF-8."):
        files.read_text(tmp_path / "a.txt")


def test_what_is_in_the_place_of_the_file_or_of_its_folder_is_named_and_left_alone(tmp_path, capsys):
    folder, file = tmp_path / "file.json", tmp_path / "out"
    folder.mkdir()
    file.write_text("")
    for path, message in (
        (folder, f"{folder}: exists and is not a regular file; choose another name.\n"),
        (file / "x.json", f"{file}: is not a directory, and one is needed there"),
        (file / "deep" / "er" / "x.json", f"{file}: is not a directory, and one is needed there"),
    ):
        assert cli.command(lambda _, path=path: files.write_json(path, 1))([]) == 1
        assert capsys.readouterr().err.startswith(f"error: {message}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.json", "out"]


def test_what_is_no_regular_file_is_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(GuideError, match="pipe: exists and is not a regular file"):
        files.write_text(path, "")
    assert path.is_fifo()


def test_a_link_stays_and_the_file_it_points_to_is_written(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    files.write_text(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"


def test_each_call_has_a_temporary_name_of_its_own_hidden_and_with_the_suffix(tmp_path):
    long = "a" * 250 + ".bin"
    with files.staged(tmp_path / long) as first, files.staged(tmp_path / long) as second:
        assert first != second
        for temporary in (first, second):
            assert (temporary.parent, temporary.suffix) == (tmp_path, ".bin")
            assert temporary.name.startswith(".")
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert listing(tmp_path) == {long: b"first"}


WRITER = """
import os, signal, sys
from pathlib import Path
from common import files
with files.staged(Path(sys.argv[1])) as temporary:
    temporary.write_bytes(b"half")
    print("begun", flush=True)
    if not sys.stdin.readline():
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_run_left_is_removed_and_what_another_one_writes_is_not(tmp_path):
    folder = tmp_path / "out"
    (tmp_path / "out").mkdir()
    for name in (".hidden.part.bin", ".0123.part", "0123456789abcdef.part.bin"):  # of somebody else
        (folder / name).write_text("kept")
    words, options = (
        [sys.executable, "-c", WRITER, folder / "a.bin"],
        {"text": True, "stdout": subprocess.PIPE},
    )
    with subprocess.Popen(words, stdin=subprocess.PIPE, **options) as living:
        assert living.stdout.readline() == "begun\n"
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, **options) as killed:
            killed.communicate()
        assert killed.returncode == -signal.SIGKILL
        before = listing(folder)
        assert list(before.values()).count(b"half") == 2
        files.remove_leftovers.cache_clear()
        files.write_text(folder / "b.txt", "")
        (left,) = before.keys() - listing(folder).keys()
        assert before[left] == b"half"
        living.communicate("go on\n")
    assert living.returncode == 0
    assert listing(folder).keys() == {
        ".hidden.part.bin",
        ".0123.part",
        "0123456789abcdef.part.bin",
        "a.bin",
        "b.txt",
    }


def test_a_temporary_file_that_is_taken_for_a_leftover_before_it_is_locked_is_made_again(
    tmp_path, monkeypatch
):
    lock, removed = files.fcntl.flock, []

    def late(file, how):
        if not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].unlink()
        lock(file, how)

    monkeypatch.setattr(files.fcntl, "flock", late)
    files.write_text(tmp_path / "a.txt", "a")
    assert listing(tmp_path) == {"a.txt": b"a"}
    assert len(removed) == 1


def test_names_that_are_no_utf8_are_bytes_again_in_text_and_come_back_from_json(tmp_path):
    name = os.fsdecode(b"pict\xfcre \xff")
    files.write_text(tmp_path / "a.txt", f"0 {name}\n")
    assert (tmp_path / "a.txt").read_bytes() == b"0 pict\xfcre \xff\n"
    files.write_json(tmp_path / "a.json", {name: [name, "\xfc"]})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "\\udcff" in text
    assert "\xfc" in text
    assert json.loads(text) == {name: [name, "\xfc"]}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_staged_removes_the_temporary_file_when_the_block_fails(tmp_path, error):
    def write():
        with files.staged(tmp_path / "a.bin") as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert listing(tmp_path) == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [-float("inf")]}])
def test_json_has_no_nan_and_no_infinity(tmp_path, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "a.json", value)
    assert listing(tmp_path) == {}


@given(
    shape=st.lists(st.integers(0, 4), max_size=4),
    dtype=st.sampled_from(["<f4", "<f8", "<i8", "u1", "?"]),
    turn=st.booleans(),
)
def test_an_array_is_written_in_c_order(tmp_path, shape, dtype, turn):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    array = array.T if turn else array
    files.write_array(tmp_path / "a.bin", array)
    assert (tmp_path / "a.bin").read_bytes() == array.tobytes(order="C")


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_the_hash_of_a_file_is_sha256_unless_another_is_asked_for(tmp_path, size):
    data = (bytes(range(251)) * (size // 251 + 1))[:size]
    (tmp_path / "a").write_bytes(data)
    assert files.file_hash(tmp_path / "a") == hashlib.sha256(data).hexdigest()
    assert files.file_hash(tmp_path / "a", "sha1") == hashlib.sha1(data, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("read", [read_bytes, read_text, file_hash])
def test_a_pipe_is_not_waited_for_and_a_device_not_read(read, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "directory").mkdir()
    for path in tmp_path.iterdir():
        with pytest.raises(GuideError, match=f"{path}: not a regular file, "):
            read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "absent")


def test_a_directory_that_another_thread_makes_at_the_same_time_is_taken(tmp_path, monkeypatch):
    path, opened = tmp_path / "new" / "a.bin", os.open

    def late(name, flags, mode=0o777):
        try:
            return opened(name, flags, mode)
        except FileNotFoundError:
            path.parent.mkdir()  # between the failure and the look at the directory
            raise

    monkeypatch.setattr(os, "open", late)
    files.write_text(path, "written")
    assert path.read_text() == "written"
