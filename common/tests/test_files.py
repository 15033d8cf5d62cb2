"""files.py: a file is complete or absent, whatever happens while it is written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import cli, files
from common.errors import GuideError

ARRAY = np.arange(10, dtype=np.float32)
WRITERS = {
    "array": lambda path: files.write_array(path, ARRAY),
    "text": lambda path: files.write_text(path, "naïve\n"),
    "json": lambda path: files.write_json(path, {"naïve": [1, None]}),
}
CONTENT = {
    "array": ARRAY.tobytes(),
    "text": "naïve\n".encode(),
    "json": '{\n  "naïve": [\n    1,\n    null\n  ]\n}\n'.encode(),
}


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
    really_open = Path.open

    def write_text(path, text, **options):
        with path.open("w", **options) as file:
            while text:
                text = text[file.write(text) :]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", lambda *args, **options: FullDisk(really_open(*args, **options)))
        patch.setattr(Path, "write_text", write_text)
        yield


def listing(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_file_is_written_into_a_new_folder_and_replaces_an_old_one(tmp_path, kind):
    path = tmp_path / "new" / "deep" / "file.out"
    for _ in range(2):
        WRITERS[kind](path)
        assert listing(path.parent) == {"file.out": CONTENT[kind]}
        path.write_bytes(b"old and much longer than what comes now" * 9)


@pytest.mark.parametrize("before", [{}, {"file.out": b"old"}])
@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_leaves_what_was_there_and_no_temporary_file(tmp_path, kind, before):
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    with full_disk(), pytest.raises(OSError, match="No space left on device"):
        WRITERS[kind](tmp_path / "file.out")
    assert listing(tmp_path) == before


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_reported_with_the_file(tmp_path, kind, capsys):
    path = tmp_path / "file.out"
    with full_disk():
        assert cli.command(lambda _: WRITERS[kind](path))([]) == 1
    assert capsys.readouterr().err == f"error: {path}: No space left on device\n"


LOST = FileNotFoundError(2, "No such file or directory", "lost.jpg")
WORDS = pytest.param(
    OSError("the encoder broke"),
    "the encoder broke",
)


@pytest.mark.parametrize(
    ("error", "message"), [(LOST, "error: lost.jpg: No such file or directory\n"), WORDS]
)
def test_an_error_that_is_about_something_else_keeps_its_words(tmp_path, error, message, capsys):
    def write(_):
        with files.staged(tmp_path / "a.bin"):
            raise error

    assert cli.command(write)([]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"na\xc3\xafve\n"])
def test_text_is_read_as_utf8(tmp_path, content):
    (tmp_path / "a.txt").write_bytes(content)
    assert files.read_text(tmp_path / "a.txt") == content.decode()


def test_text_in_another_encoding_is_refused_by_name(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"na\xefve")
    with pytest.raises(GuideError) as error:
        files.read_text(tmp_path / "a.txt")
    assert str(error.value) == f"{tmp_path / 'a.txt'}: not a text file in UTF-8."


def test_a_directory_in_the_place_of_the_file_is_named_and_left_alone(tmp_path, capsys):
    path = tmp_path / "file.json"
    path.mkdir()
    assert cli.command(lambda _: files.write_json(path, 1))([]) == 1
    assert capsys.readouterr().err == f"error: {path}: Is a directory\n"
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


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


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert cli.command(lambda _: files.write_text(tmp_path / "out" / "x.txt", ""))([]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'out'}: ")


def test_staged_keeps_the_suffix_hides_the_file_and_reuses_what_a_killed_run_left(tmp_path):
    (tmp_path / ".a_1.part.bin").write_bytes(b"left by a killed run")
    with files.staged(tmp_path / "a_1.bin") as temporary:
        assert temporary == tmp_path / ".a_1.part.bin"
        temporary.write_bytes(b"new")
    assert listing(tmp_path) == {"a_1.bin": b"new"}


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


def test_json_is_indented_and_keeps_every_letter(tmp_path):
    value = {"name": "é", "figures": [1, 0.5, None]}
    text = '{\n  "name": "é",\n  "figures": [\n    1,\n    0.5,\n    null\n  ]\n}\n'
    assert files.json_text(value) == text
    files.write_json(tmp_path / "a.json", value)
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == text


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
