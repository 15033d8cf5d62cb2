"""LFW as its owners pack it: a directory per person, and pairs.txt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from lresnet_lfw import lfw
from tests.conftest import encode, random_faces

PAIRS = ["Ann_Lee\t1\t2", "Bo\t1\tAnn_Lee\t12"]
FACES = ["Ann_Lee_0001", "Ann_Lee_0002", "Bo_0001", "Ann_Lee_0012"]


def write_tree(folder, lines=("1", *PAIRS), suffix=".png", faces=FACES):
    folder.mkdir(exist_ok=True)
    (folder / "pairs.txt").write_text("".join(f"{line}\n" for line in lines))
    for name, picture in zip(faces, random_faces(len(faces)), strict=True):
        path = folder / name.rpartition("_")[0] / f"{name}{suffix}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(picture, suffix))
    return folder


def refusal(folder):
    with pytest.raises(GuideError) as error:
        lfw.read_pairs(folder)
    return str(error.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_pairs_come_in_the_order_of_the_list(suffix, tmp_path):
    folder = write_tree(tmp_path / "lfw", suffix=suffix)
    pairs = lfw.read_pairs(folder)
    paths = [folder / name.rpartition("_")[0] / f"{name}{suffix}" for name in FACES]
    assert {name: face.path for name, face in pairs.faces.items()} == dict(zip("0123", paths, strict=True))
    assert pairs.same.dtype == bool
    assert pairs.same.tolist() == [True, False]
    assert lfw.read_labels(folder).same.tolist() == [True, False]
    assert str(pairs.faces["2"]) == str(folder / "Bo" / f"Bo_0001{suffix}")
    if suffix == ".png":  # without loss
        for face, picture in zip(pairs.faces.values(), random_faces(4), strict=True):
            np.testing.assert_array_equal(face.read(), picture)


@pytest.mark.parametrize(
    "lines", [("1\t1", *PAIRS), ("2 1", *PAIRS, *PAIRS), ("2", PAIRS[0], *PAIRS, PAIRS[1])]
)
def test_the_header_gives_folds_and_pairs_of_each_kind(lines, tmp_path):
    assert len(lfw.read_pairs(write_tree(tmp_path / "lfw", lines)).same) == len(lines) - 1


def test_lfw_bin_goes_before_the_directories(tmp_path, lfw_bin):
    write_tree(lfw_bin.parent)
    assert len(lfw.read_pairs(lfw_bin.parent).same) == 10


def test_missing_pictures_are_counted_and_named_once(tmp_path):
    folder = write_tree(tmp_path / "lfw", ("2", *PAIRS, *PAIRS))
    (folder / "Ann_Lee" / "Ann_Lee_0001.png").unlink()
    (folder / "Bo" / "Bo_0001.png").unlink()
    message = refusal(folder)
    assert message.startswith(f"2 of the pictures in {folder / 'pairs.txt'} are missing: ")
    for name in ("Ann_Lee/Ann_Lee_0001.jpg", "Bo/Bo_0001.jpg"):
        assert message.count(str(folder / name)) == 1
    assert "expected:\n  DIR/lfw.bin\nor\n  DIR/pairs.txt" in message


@pytest.mark.parametrize("header", ["", "ten 300", "1.5", "10 300 1", "Ann_Lee 1 2", "-1 -1", "0", "0 7"])
def test_another_header_is_told(header, tmp_path):
    folder = write_tree(tmp_path / "lfw", (header, *PAIRS))
    expected = "expected the numbers of folds and of pairs, found"
    assert refusal(folder) == f"{folder / 'pairs.txt'}:1: {expected} {header!r}."


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (("2", *PAIRS), "announces 4 pairs, 2 follow"),
        (("1", *PAIRS, PAIRS[0]), "announces 2 pairs, 3 follow"),
        (("10 300", *PAIRS), "announces 6000 pairs, 2 follow"),
        (("1",), "announces 2 pairs, 0 follow"),
    ],
)
def test_another_number_of_pairs_is_told(lines, words, tmp_path):
    assert words in refusal(write_tree(tmp_path / "lfw", lines))


@pytest.mark.parametrize(
    "line",
    [
        *("Bo 1", "Bo", "", "Bo 1 Ann_Lee 12 3", "Bo one Ann_Lee 12", "Bo 1 two", "Bo -1 1", "Bo 1.0 1"),
        *("Bo 1 ²", "Bo 0 1"),
        pytest.param(f"Bo 1 {'1' * 5000}", id="more digits than Python converts"),
    ],
)
def test_another_line_is_told_with_its_number(line, tmp_path):
    folder = write_tree(tmp_path / "lfw", ("1", line, PAIRS[1]))
    assert refusal(folder) == (
        f"{folder / 'pairs.txt'}:2: expected `person i j` or `person i person j`, found {line!r}."
    )


@pytest.mark.parametrize("person", ["..", ".", "../lfw/Bo", "/etc", "Bo/../Bo"])
@pytest.mark.parametrize("form", ["{} 1 2", "Bo 1 {} 1"])
def test_a_person_outside_of_the_directory_is_refused(person, form, tmp_path):
    folder = write_tree(tmp_path / "lfw", ("1", PAIRS[0], form.format(person)))
    assert refusal(folder) == (
        f"{folder / 'pairs.txt'}:3: the person {person!r} leaves the data set's directory."
    )


def test_a_directory_that_is_no_data_set_is_told_with_what_is_expected(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert refusal(folder).startswith(f"{folder}: not the LFW data set; expected:\n  DIR/lfw.bin\nor\n")
    (tmp_path / "pairs.txt").write_bytes(b"\xff\xfe1\n")
    assert refusal(tmp_path) == f"{tmp_path / 'pairs.txt'}: not a text file in UTF-8."


person = st.text("abcXYZ_.-é", min_size=1, max_size=9).filter(lambda name: name.strip("."))
index = st.integers(1, 12000)
rows = st.lists(
    st.tuples(person, index, index) | st.tuples(person, index, person, index), min_size=2, max_size=8
).filter(lambda drawn: len(drawn) % 2 == 0)


@given(rows)
def test_lists_are_read_as_they_were_written(tmp_path_factory, drawn):
    folder = tmp_path_factory.mktemp("lfw")
    lines = [str(len(drawn) // 2), *("\t".join(map(str, row)) for row in drawn)]
    pairs = [(row[:2], (row[0], row[2]) if len(row) == 3 else row[2:]) for row in drawn]
    expected = [folder / who / f"{who}_{number:04d}.png" for pair in pairs for who, number in pair]
    for path in expected:
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = lfw.read_pairs(folder)
    assert [face.path for face in found.faces.values()] == expected
    assert found.same.tolist() == [first[0] == second[0] for first, second in pairs]


@given(st.lists(st.text(max_size=12), max_size=4))
def test_any_list_is_read_or_told(tmp_path_factory, lines):
    folder = tmp_path_factory.mktemp("lfw")
    (folder / "pairs.txt").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(GuideError, match="pairs.txt"):
        lfw.read_pairs(folder)
