"""gallery/array_writer.py and parquet_writer.py: what is committed stays, what is not is gone, nothing is mixed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from common.gallery import array_header, parquet_writer
from common.gallery.array_writer import ArrayWriter, made_of, names_of
from common.gallery.made import Made
from common.gallery.stored import open_stored
from tests.conftest import refused
from tests.gallery_parts import MADE, WRITERS, content, entries, numbered, opened, write


@pytest.fixture(params=WRITERS)
def path(request, tmp_path):
    return tmp_path / "out" / request.param


@pytest.fixture
def small_parts(monkeypatch):
    """Five rows of three numbers in a part, two in a row group."""
    monkeypatch.setattr(parquet_writer, "PART", 5 * 12)
    monkeypatch.setattr(parquet_writer, "GROUP", 2 * 12)


def test_the_file_is_what_numpy_writes(tmp_path):
    rows = numbered(7)
    path = write(tmp_path / "features.npy", rows)
    np.save(tmp_path / "numpy.npy", rows)
    assert path.read_bytes() == (tmp_path / "numpy.npy").read_bytes()
    assert names_of(path).read_text().splitlines()[1] == '["0001.jpg",101,1000000000000000001]'


@given(st.integers(0, 10**15 - 1), st.integers(1, 999999))
def test_a_header_of_any_number_of_rows_is_as_long(rows, size):
    data = array_header.header(rows, size)
    assert len(data) == array_header.LENGTH
    assert array_header.parse(data, 128 + 4 * rows * size, "x.npy") == (rows, size)
    with refused("x.npy: damaged: ", whole=False):
        array_header.parse(data, 127 + 4 * rows * size, "x.npy")


@pytest.mark.usefixtures("small_parts")
@given(st.lists(st.one_of(st.integers(1, 7), st.sampled_from(["commit", "again", "lost"])), max_size=12))
def test_rows_that_are_committed_are_there_whatever_happens(path_kind, tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("rows") / path_kind
    writer, committed, tail = opened(path), 0, 0
    for step in steps:
        if isinstance(step, int):
            writer.add(entries(step, writer.rows), numbered(step, first=writer.rows))
            tail += step
            if path.suffix == ".parquet" and tail >= 5:  # a part that is full counts
                committed, tail = writer.rows, 0
        else:
            if step != "lost":
                writer.commit()
                committed = writer.rows
            if step != "commit":
                tail -= writer.rows - committed
                writer.close()
                writer = opened(path)
                assert writer.rows == committed
    count = writer.rows
    assert list(writer.entries()) == entries(count)
    writer.finish()
    writer.close()
    if count:
        stored = open_stored(path)
        assert np.array_equal(
            np.concatenate([np.array(r) for b in stored.blocks for r in stored.read(b)]), numbered(count)
        )
        assert stored.names(range(count)) == [entry.name for entry in entries(count)]


@pytest.fixture(scope="module", params=WRITERS)
def path_kind(request):
    return request.param


@pytest.mark.usefixtures("small_parts")
def test_parts_are_one_table_to_pyarrow(tmp_path):
    dataset = pytest.importorskip("pyarrow.dataset")
    path = write(tmp_path / "features.parquet", numbered(12))
    assert sorted(each.name for each in path.iterdir()) == ["part-00000.parquet"]  # of one call
    writer = opened(path)
    for first in (12, 15, 18):
        writer.add(entries(3, first), numbered(3, first=first))
    writer.commit()
    assert {".rows-00002.npy", "part-00001.parquet"} <= set(content(path))
    writer.finish()
    writer.close()
    assert sorted(content(path)) == [f"part-0000{number}.parquet" for number in range(3)]
    table = dataset.dataset(path).to_table()
    assert table.column("name").to_pylist() == [entry.name for entry in entries(21)]
    assert table.column("modified").to_pylist()[20] == 10**18 + 20
    assert table.column("features").to_pylist() == numbered(21).tolist()


@pytest.mark.usefixtures("small_parts")
def test_rows_of_a_part_that_was_written_before_the_kill_are_not_written_twice(tmp_path, monkeypatch):
    path = tmp_path / "features.parquet"
    writer = opened(path)
    monkeypatch.setattr(parquet_writer, "_remove", lambda tail: 1 / 0)  # the kill
    with pytest.raises(ZeroDivisionError):
        writer.add(entries(6), numbered(6))
    writer.close()
    monkeypatch.undo()
    assert {"part-00000.parquet", ".rows-00000.npy"} <= set(content(path))
    again = opened(path)
    assert again.rows == 6
    again.finish()
    again.close()
    assert set(content(path)) == {"part-00000.parquet"}


def test_another_network_or_setting_is_told_and_nothing_is_touched(path, tmp_path):
    write(path, numbered(3))
    before = content(tmp_path)
    other = Made("/pictures", {"network": "another", "batch size": "2"})
    with refused(
        f"{path}: holds features that were made in another way: batch size is '2', there 'none'; network is 'another', "
        "there 'a network'. Go on as it was begun, or choose another --out."
    ):
        opened(path, made=other)
    with refused(f"{path}", whole=False):
        opened(path, size=4)
    assert content(tmp_path) == before
    moved = Made("/elsewhere", MADE.settings)
    opened(path, made=moved).close()


def test_one_process_at_a_time_writes(path):
    writer = opened(path)
    with refused(f"{path}: another process is writing to it; wait for its end, or choose another --out."):
        opened(path)
    writer.close()
    opened(path).close()


def test_a_file_of_someone_else_is_not_overwritten(tmp_path):
    path = tmp_path / "features.npy"
    np.save(path, np.zeros(3))
    before = path.read_bytes()
    with refused(
        f"{made_of(path)}: not there, and says what the features beside it are made with", whole=False
    ):
        opened(path)
    assert path.read_bytes() == before
    (tmp_path / "folder.npy").mkdir()
    with refused(f"{tmp_path / 'folder.npy'}: not a regular file", whole=False):
        opened(tmp_path / "folder.npy")


def test_a_directory_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "features.parquet"
    path.mkdir()
    (path / "data.parquet").touch()
    with refused(f"{path}: holds other files than embed.py writes (data.parquet); choose another --out."):
        opened(path)
    assert content(path) == {"data.parquet": b""}


def damage(path, kind):
    if kind == "header":
        path.write_bytes(b"x" + path.read_bytes()[1:])
    elif kind == "rows":
        path.write_bytes(path.read_bytes()[:-1])
    elif kind == "names":
        names_of(path).write_bytes(b"".join(names_of(path).read_bytes().splitlines(keepends=True)[:2]))
    elif kind == "no names":
        names_of(path).unlink()
    else:
        made_of(path).write_text('{"format": "features 1"}')


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("header", "not a .npy file of float32 rows as embed.py writes it, or damaged."),
        ("rows", "damaged: 3 rows of 3 float32 take 164 bytes, found 163."),
        ("names", "holds fewer names than the 3 rows of features.npy."),
        ("no names", "not there, and names the rows of features.npy."),
        ("made", "what it says of its features is damaged"),
    ],
)
def test_damage_is_told_to_who_writes_and_who_reads(kind, message, tmp_path):
    path = write(tmp_path / "features.npy", numbered(3))
    damage(path, kind)
    for access in (opened, open_stored):
        with pytest.raises(GuideError) as error:
            access(path)
        assert str(error.value).startswith(str(path))
        assert message in str(error.value)


def test_a_full_disk_names_the_file_and_keeps_what_is_committed(tmp_path, monkeypatch):
    path = tmp_path / "features.npy"
    writer = opened(path)
    writer.add(entries(2), numbered(2))
    writer.commit()
    pwrite = os.pwrite

    def full(descriptor, data, place):
        if place > 140:
            raise OSError(28, "No space left on device")
        return pwrite(descriptor, data[:5], place)  # a part of it

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left") as error:
        writer.add(entries(2, 2), numbered(2, first=2))
    assert error.value.filename == str(path)
    monkeypatch.undo()
    writer.commit()
    writer.close()
    again = opened(path)
    assert again.rows == 2
    assert list(again.entries()) == entries(2)
    again.close()


KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from common.gallery import parquet_writer
from tests.gallery_parts import entries, numbered, opened
parquet_writer.PART, parquet_writer.GROUP = 60, 24
writer = opened(Path(sys.argv[1]))
left = int(sys.argv[3])

def counted(function):
    def call(*words, **options):
        global left
        left -= 1
        if not left:
            os.kill(os.getpid(), 9)
        return function(*words, **options)
    return call

for name in ("pwrite", "fsync", "replace", "rename", "unlink", "ftruncate", "open"):
    setattr(os, name, counted(getattr(os, name)))
for first in range(writer.rows, 18, 3):
    writer.add(entries(3, first), numbered(3, first=first))
    writer.commit()
writer.finish()
writer.close()
"""


@pytest.mark.parametrize("name", WRITERS)
def test_killed_at_each_call_of_the_system_the_files_become_the_same(name, tmp_path):
    def run(path, step):
        words = [sys.executable, "-c", textwrap.dedent(KILLED), path, Path.cwd(), step]
        return subprocess.run(list(map(str, words)), check=False).returncode

    whole = tmp_path / "whole" / name
    assert run(whole, 0) == 0
    path = tmp_path / "killed" / name
    step = 3
    while run(path, step) == -9:
        step += 2  # further on than the last time
    assert content(path.parent) == content(whole.parent)


def test_a_file_of_no_bytes_is_begun_anew(tmp_path):
    path = tmp_path / "features.npy"
    path.touch()  # a kill before the header was written
    names_of(path).write_text("left over\n")
    writer = ArrayWriter(path, 3, MADE)
    writer.add(entries(1), numbered(1))
    writer.finish()
    writer.close()
    assert open_stored(path).names([0]) == ["0000.jpg"]
