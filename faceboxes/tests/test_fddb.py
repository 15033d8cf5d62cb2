"""FDDB's file formats."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import GuideError
from faceboxes_fddb import fddb
from faceboxes_fddb.prep_file import prep_line, read_prep

number = st.floats(-5000, 5000, width=32)
boxes = st.lists(st.tuples(number, number, number, number, st.floats(0, 1, width=32)), max_size=6)
stem = st.text("abcdefg_.0123456789", min_size=1, max_size=12).filter(lambda s: s.strip("."))


@given(st.dictionaries(stem, boxes, min_size=1, max_size=5))
def test_detections_survive_writing_and_reading(tmp_path_factory, detections):
    path = tmp_path_factory.mktemp("dets") / "FDDB_dets.txt"
    arrays = {name: np.array(rows, np.float32).reshape(-1, 5) for name, rows in detections.items()}
    fddb.write_detections(path, arrays)
    found = fddb.read_detections(path)
    assert list(found) == list(arrays)
    for name, rows in arrays.items():
        np.testing.assert_allclose(found[name][:, :2], rows[:, :2], atol=6e-4)
        np.testing.assert_allclose(
            found[name][:, 2:4], rows[:, 2:4].astype(float) - rows[:, :2] + 1, atol=2e-3
        )
        np.testing.assert_allclose(found[name][:, 4], rows[:, 4], atol=6e-4)


def test_detections_are_written_in_the_documented_form(tmp_path):
    path = tmp_path / "FDDB_dets.txt"
    faces = np.array([[10, 20.5, 29, 40.25, 0.98765]], np.float32)
    fddb.write_detections(path, {"a_b": faces, "c": faces[:0]})
    assert path.read_text() == "a_b\n1.0\n10.000 20.500 20.000 20.750 0.988\nc\n0.0\n"


def test_names_with_slashes_and_with_underscores_are_the_same(tmp_path):
    path = tmp_path / "FDDB_dets.txt"
    path.write_text("2002/08/11/big/img_591\n1\n1 2 3 4 0.5\n\n\n")
    assert fddb.read_detections(path)["2002_08_11_big_img_591"].tolist() == [[1, 2, 3, 4, 0.5]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\nx\n", r"dets.txt:1: expected a picture's name .* found \['a', 'x'\]"),
        ("a\n", "dets.txt:1: expected a picture's name"),
        ("a\n1.7\n1 2 3 4 0.5\n", "dets.txt:1: expected a picture's name"),
        ("a\n-1\n", "dets.txt:1: expected a picture's name"),
        ("a\ninf\n", "dets.txt:1: expected a picture's name"),
        ("a\n2.0\n1 2 3 4 0.5\n", "'a' announces 2 lines, the file ends after 1"),
        ("a\n1.0\n1 2 3 4\n", "'a': expected 5 numbers per line, found 1 2 3 4"),
        ("a\n1.0\n1 2 3 4 x\n", "'a': expected 5 numbers per line, found 1 2 3 4 x"),
        ("a\n1.0\n1 2 3 4 nan\n", "'a': holds a number that is not finite"),
        ("a\n0.0\n\nb\n0.0\n", "dets.txt:3: expected a picture's name"),
        ("a\n0.0\na\n0.0\n", "'a' occurs twice"),
        ("\xff\xfe\0", "not a text file"),
    ],
)
def test_damaged_detections_are_refused(text, words, tmp_path):
    path = tmp_path / "dets.txt"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(GuideError, match=words):
        fddb.read_detections(path)


def test_folds_are_read_in_order_with_their_faces(data):
    folds = fddb.read_folds(data)
    assert [len(fold) for fold in folds] == [2, 2] + [1] * 8
    assert folds[1][1].name == "2003/01/a.b_1.c"
    assert folds[1][1].stem == "2003_01_a.b_1.c"
    assert folds[0][0].faces.tolist() == [[20.5, 15.25, 1.5, 32, 24]]


def test_a_picture_listed_twice_is_refused(data):
    path = data / "FDDB-folds" / "FDDB-fold-09-ellipseList.txt"
    path.write_text("2002_08/00/big/img_0\n0\n")
    with pytest.raises(GuideError, match="listed twice: 2002_08_00_big_img_0"):
        fddb.read_folds(data)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("-68 50 1.5 32 24 1", "no ellipse has these radii, angle and centre: -68 50 1.5 32 24 1"),
        ("20 15 1.5 1e300 24 1", "no ellipse has these radii, angle and centre"),
        ("20 15 1.5 5000 24 1", r"'a': the annotated face at \(5000, 24\) lies outside of 1000x1000 pixels"),
        ("20 15 1.5 24 1", "expected 6 numbers per line"),
    ],
)
def test_a_face_that_cannot_be_is_named_with_its_list(row, words, data):
    path = data / "FDDB-folds" / "FDDB-fold-09-ellipseList.txt"
    path.write_text(f"a\n1\n{row}\n")
    with pytest.raises(GuideError, match=words) as error:
        fddb.read_folds(data)
    assert str(error.value).startswith(str(path))


def test_prep_lines_survive_writing_and_reading(tmp_path):
    path = tmp_path / "FDDB.txt"
    path.write_text(prep_line("a b", 1.70666) + prep_line("c", 0.5))
    assert path.read_text().startswith("a b 1024.000 1024.000 1.707\n")
    assert read_prep(path) == {"a b": 1.707, "c": 0.5}


@pytest.mark.parametrize(
    "line",
    ["a 1024.000 1024.000", "a 1024.000 512.000 1.000", "a 1024.000 1024.000 0", "", "a b c d"],
)
def test_a_damaged_prep_line_is_refused(line, tmp_path):
    path = tmp_path / "FDDB.txt"
    path.write_text(line + "\n")
    with pytest.raises(GuideError, match=r"FDDB.txt:1: expected `name 1024.000 1024.000 factor`"):
        read_prep(path)


@pytest.mark.parametrize("size", [(8, 60), (60, 4)])
def test_a_picture_too_small_for_its_faces_is_told_before_anything_is_run(size, data):
    folds = fddb.read_folds(data)
    pictures = [picture for fold in folds for picture in fold]
    paths = fddb.find_pictures(data, pictures)
    path = paths[pictures[3].stem]
    path.write_bytes(cv2.imencode(".png", np.zeros((*size[::-1], 3), np.uint8))[1].tobytes())
    with pytest.raises(GuideError) as caught:
        fddb.find_pictures(data, pictures)
    assert str(caught.value).startswith(
        f"{path}: has {size[0]}x{size[1]} pixels, and in the annotations faces begin"
    )
    path.write_bytes(b"no picture")
    fddb.find_pictures(data, pictures)
