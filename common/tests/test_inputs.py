"""bins.py: the .bin files of a preprocessing step, made where they are missing."""

from __future__ import annotations

import pytest

from common.npu_files.inputs import is_whole, note_others, write_missing


@pytest.fixture
def sources(tmp_path):
    paths = {name: tmp_path / f"{name}.jpg" for name in "abc"}
    for path in paths.values():
        path.write_text(path.stem)
    return paths


def run(out, sources):
    made = []

    def make(name):
        made.append(name)
        (out / f"{name}.bin").write_bytes(sources[name].read_bytes() * 4)

    write_missing(out, sources, lambda name: [out / f"{name}.bin"], make, size=4, workers=2)
    return sorted(made)


def test_what_is_missing_cut_off_or_of_another_source_is_made(tmp_path, sources):
    out = tmp_path / "prep"
    assert run(out, sources) == ["a", "b", "c"]
    assert run(out, sources) == []
    (out / "a.bin").unlink()
    (out / "b.bin").write_bytes(b"bb")
    assert run(out, sources) == ["a", "b"]
    sources["c"].write_text("d")
    assert run(out, sources) == ["c"]
    assert (out / "c.bin").read_bytes() == b"dddd"


def test_a_failure_leaves_what_was_made_before(tmp_path, sources):
    out = tmp_path / "prep"
    sources["b"].chmod(0o644)
    (tmp_path / "b.jpg").unlink()
    (tmp_path / "b.jpg").mkdir()
    with pytest.raises(IsADirectoryError):
        run(out, sources)
    assert (out / "a.bin").read_bytes() == b"aaaa"


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
