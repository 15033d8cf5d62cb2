"""npu_files/inputs.py: which .bin files there are, and whether they fit the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.engine.shard import Shard
from common.errors import GuideError
from common.graph.outline import Value
from common.npu_files.inputs import check_sizes, inputs_of, is_whole, note_others
from tests.conftest import refused


@pytest.mark.parametrize(("size", "whole"), [(3, False), (4, True), (5, False)])
def test_a_file_is_whole_with_all_its_bytes(tmp_path, size, whole):
    (tmp_path / "a.bin").write_bytes(bytes(size))
    assert is_whole(tmp_path / "a.bin", 4) is whole
    assert not is_whole(tmp_path / "absent.bin", 4)
    assert not is_whole(tmp_path, 4)


def test_files_of_other_inputs_are_noted(tmp_path, capsys):
    for name in ("a.bin", "z.bin", "y.bin", ".x.part.bin", "z.txt"):
        (tmp_path / name).touch()
    note_others(tmp_path, {"a"})
    assert capsys.readouterr().out == "note: 2 more .bin files there belong to other pictures: y, z\n"
    note_others(tmp_path, {"a", "y", "z"})
    assert capsys.readouterr().out == ""


@pytest.fixture
def prep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("prep").mkdir()
    for stem in "cab":
        Path("prep", f"{stem}.bin").write_bytes(bytes(24))
    Path("list.info").write_text("0 prep/c.bin 2 4\n1 prep/a.bin 2 4\n")
    return Path("prep")


def test_a_directorys_files_are_sorted_and_a_lists_are_in_its_order(prep):
    assert [path.stem for path in inputs_of(prep)] == ["a", "b", "c"]
    assert [path.stem for path in inputs_of(Path("list.info"))] == ["c", "a"]


def test_a_shard_needs_its_own_files_alone(prep):
    stems, shard = [f"img_{number}" for number in range(8)], Shard(1, 2)
    mine, theirs = ([stem for stem in stems if (stem in shard) is part] for part in (True, False))
    assert mine
    assert theirs
    for stem in stems:
        (prep / f"{stem}.bin").touch()
    Path("all.info").write_text("".join(f"0 prep/{stem}.bin 2 4\n" for stem in stems))
    Path("prep", f"{theirs[0]}.bin").unlink()
    assert [path.stem for path in inputs_of(Path("all.info"), shard)] == mine
    with refused(f"all.info: 1 of 8 inputs do not exist: prep/{theirs[0]}.bin. Paths are", whole=False):
        inputs_of(Path("all.info"))


def test_what_an_empty_shard_left_is_empty_for_a_shard_alone(tmp_path):
    (tmp_path / "empty.info").touch()
    (tmp_path / "empty").mkdir()
    for source in (tmp_path / "empty.info", tmp_path / "empty"):
        assert inputs_of(source, Shard(1, 2)) == []
        with pytest.raises(GuideError, match=f"{source.name}: (lists no input|holds no .bin file)"):
            inputs_of(source)


def test_names_that_occur_twice_are_refused(prep):
    Path("other").mkdir()
    Path("other/a.bin").touch()
    Path("two.info").write_text("0 prep/a.bin 2 4\n1 other/a.bin 2 4\n")
    with refused("two.info: results are named after the inputs, but these names occur twice: ['a']."):
        inputs_of(Path("two.info"))


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [
        ("float32", "Files of uint8 pictures need the model's AIPP file: run inside its directory, or give"),
        ("uint8", "Files of the older scripts, float32 with the mean subtracted, need --aipp none."),
    ],
)
def test_files_of_another_size_are_named_with_what_it_may_be(prep, dtype, hint):
    paths = inputs_of(prep)
    check_sizes(paths, Value("image", "uint8", ("N", 4, 2, 3)))
    with pytest.raises(GuideError) as error:
        check_sizes(paths, Value("image", dtype, ("N", 3, 4, 5)))
    size = 240 if dtype == "float32" else 60
    assert str(error.value).startswith(
        f"3 of 3 inputs have another size than the model's input, {size} bytes (3x4x5 {dtype}): prep/a.bin (24 bytes), "
    )
    assert hint in str(error.value)
