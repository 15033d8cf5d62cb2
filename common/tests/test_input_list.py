"""info.py: the input lists of the benchmark tool, and the command that makes them."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.npu_files.input_list import list_files, main, read_info, write_info
from tests.conftest import refused, wrong_usage

NAMES = st.text("ab_.09-/\\:#'\"\u00e9\u4e2d", min_size=1, max_size=12)
SIDES = st.integers(1, 9999)


@given(files=st.lists(st.tuples(NAMES.map(lambda name: str(Path(name))), SIDES, SIDES), min_size=1))
def test_what_is_written_is_read_back_and_has_the_form_of_the_tool(tmp_path, files):
    out = tmp_path / "list.info"
    write_info(out, files)
    assert read_info(out) == [Path(path) for path, _, _ in files]
    expected = [f"{i} {path} {width} {height}" for i, (path, width, height) in enumerate(files)]
    assert out.read_text(encoding="utf-8") == "\n".join(expected) + "\n"


@pytest.mark.parametrize("space", [" ", "\t", "\n", "\u00a0", "\u2028", "\x85"])
def test_white_space_in_a_path_is_refused_before_anything_is_written(tmp_path, space):
    path = f"pre{space}p/a.bin"
    with refused(f"{path!r}: the benchmark tool splits its input list at white", whole=False):
        write_info(tmp_path / "list.info", [("b.bin", 1, 1), (path, 1, 1)])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", ["0 a.bin 4", "0 a.bin 4 6 8", "", "0 my file.bin 4 6", "a.bin"])
def test_a_line_of_another_form_is_named_by_file_and_number(tmp_path, line):
    path = tmp_path / "list.info"
    path.write_text(f"0 a.bin 6 4\n{line}\n")
    with refused(f"{path}:2: expected `index path width height`, found {line!r}."):
        read_info(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lists no input; make it again with get_info.py"),
        (np.arange(72, dtype="<f4").tobytes(), "not a text file."),
    ],
)
def test_what_is_no_list_is_refused_by_name(tmp_path, content, message):
    (tmp_path / "list.info").write_bytes(content)
    with refused(f"{tmp_path / 'list.info'}: {message}", whole=False):
        read_info(tmp_path / "list.info")


@pytest.mark.parametrize("given", ["./prep", "prep", "prep/"])
def test_paths_begin_with_the_directory_as_it_was_given(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prep").mkdir()
    (tmp_path / "prep" / "a.bin").touch()
    assert main(["bin", given, "list.info", "6", "4"]) == 0
    assert (tmp_path / "list.info").read_text() == f"0 {given.rstrip('/')}/a.bin 6 4\n"


def test_files_are_listed_by_suffix_sorted_and_without_hidden_ones(tmp_path):
    for name in ("b.JPG", "a.png", "c.jpeg", ".a.part.jpg", "d.txt", "jpg"):
        (tmp_path / name).touch()
    assert [p.name for p in list_files(tmp_path, (".jpg", ".jpeg", ".png"))] == ["a.png", "b.JPG", "c.jpeg"]


def test_no_such_folder_and_nothing_in_it_are_errors_that_name_it(tmp_path):
    with refused(f"{tmp_path / 'lost'}: no such directory."):
        list_files(tmp_path / "lost", (".bin",))
    (tmp_path / "a.txt").touch()
    with refused(f"{tmp_path}: holds no .bin or .raw file."):
        list_files(tmp_path, (".bin", ".raw"))


def test_the_command_lists_bin_files_with_the_size_given(tmp_path, monkeypatch, make_inputs, capsys):
    make_inputs(3)
    monkeypatch.chdir(tmp_path)
    assert main(["bin", "prep", "out/list.info", "6", "4"]) == 0
    expected = "0 prep/img_00.bin 6 4\n1 prep/img_01.bin 6 4\n2 prep/img_02.bin 6 4\n"
    assert Path("out/list.info").read_text() == expected
    assert capsys.readouterr().out == "out/list.info: 3 inputs\n"


def test_names_that_are_no_utf8_are_listed_as_they_are_and_found_again(tmp_path, capsys):
    folder = os.fsencode(tmp_path) + b"/b\xff"
    Path(os.fsdecode(folder)).mkdir()
    (Path(os.fsdecode(folder)) / "a.bin").touch()
    assert main(["bin", os.fsdecode(folder), str(tmp_path / "x.info"), "6", "4"]) == 0
    assert (tmp_path / "x.info").read_bytes() == b"0 " + folder + b"/a.bin 6 4\n"
    assert read_info(tmp_path / "x.info") == [Path(os.fsdecode(folder + b"/a.bin"))]


def test_the_command_lists_pictures_with_their_own_sizes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for height, name in enumerate(("c.png", "a.jpg", "b.JPEG", "d.bmp"), 5):
        cv2.imwrite(f"data/{name}", np.zeros((height, 9, 3), np.uint8))
    assert main(["jpg", "data", "list.info"]) == 0
    expected = ["0 data/a.jpg 9 6", "1 data/b.JPEG 9 7", "2 data/c.png 9 5", "3 data/d.bmp 9 8"]
    assert Path("list.info").read_text().splitlines() == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("bin prep x.info", "bin needs WIDTH and HEIGHT"),
        ("bin prep x.info 6", "bin needs WIDTH and HEIGHT"),
        ("bin prep x.info 6 0", "argument HEIGHT: expected a whole number of at least 1, got '0'"),
        ("png prep x.info", "argument kind: invalid choice: 'png'"),
    ],
)
def test_wrong_arguments_end_with_exit_code_2_and_say_what_is_wrong(words, message, capsys):
    with wrong_usage(capsys, message):
        main(words.split())


@pytest.mark.parametrize("kind", ["bin", "jpg"])
def test_a_failure_leaves_no_list(tmp_path, kind, capsys):
    folder = tmp_path / "da ta"
    folder.mkdir()
    (folder / "a.bin").touch()
    (folder / "a.jpg").write_bytes(b"\xff\xd8")
    assert main([kind, str(folder), str(tmp_path / "x.info"), "6", "4"]) == 1
    assert str(folder) in capsys.readouterr().err
    assert not (tmp_path / "x.info").exists()
