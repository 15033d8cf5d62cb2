"""The network on one's own faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import predict
from lresnet_lfw.sample import THINGS, variants
from tests.conftest import encode, read_json


@pytest.fixture
def faces(tmp_path):
    """Two crops of the astronaut's face, one of a cat."""
    from common.images.library import library_picture

    paths = []
    for name, thing, number in (
        ("astronaut", "astronaut's face", 0),
        ("astronaut_dark", "astronaut's face", 1),
        ("cat", "chelsea the cat", 0),
    ):
        picture, *square = THINGS[thing]
        paths.append(tmp_path / f"{name}.png")
        paths[-1].write_bytes(encode(variants(library_picture(picture), *square)[number]))
    return paths


def test_every_face_is_compared_with_every_other(faces, twin_onnx, tmp_path, run):
    out = tmp_path / "out"
    done = run("predict.py", *faces, "--model", twin_onnx, "--out", out)
    assert done.returncode == 0, done.stderr
    result = read_json(out / "similarity.json")
    assert result["threshold"] == 1.4140000000000001
    first, dark, cat = map(str, faces)
    assert [pair["images"] for pair in result["pairs"]] == [[first, dark], [first, cat], [dark, cat]]
    for pair in result["pairs"]:
        assert 0 < pair["squared distance"] < 4
        assert pair["cosine similarity"] == pytest.approx(1 - pair["squared distance"] / 2, abs=1e-6)
        assert pair["same person"] is (pair["squared distance"] < result["threshold"])
    assert result["pairs"][0]["squared distance"] < result["pairs"][1]["squared distance"]
    distance = result["pairs"][0]["squared distance"]
    assert f"{first} and {dark}: squared distance {distance:.3f}, the same" in done.stdout
    assert f"{out / 'similarity.png'}: all 3 pairs, said to be the same below 1.414" in done.stdout


def test_the_picture_has_the_faces_along_its_edges(faces, twin_onnx, tmp_path, run):
    words = ("--model", twin_onnx, "--out", tmp_path, "--threshold", 0)
    assert run("predict.py", *faces, *words).returncode == 0
    drawn = cv2.imread(str(tmp_path / "similarity.png"))
    assert drawn.shape == (480, 480, 3)
    for i, path in enumerate(faces, 1):
        picture = cv2.imread(str(path))
        np.testing.assert_array_equal(drawn[120 * i + 4 : 120 * i + 116, 4:116], picture)
        np.testing.assert_array_equal(drawn[4:116, 120 * i + 4 : 120 * i + 116], picture)
    assert {tuple(drawn[120 * i + 2, 120 * j + 2].tolist()) for i in (1, 2, 3) for j in (1, 2, 3)} == {
        predict.RED
    }


@pytest.mark.parametrize(("threshold", "same"), [(0, False), (4, True)])
def test_the_threshold_decides_who_is_the_same(threshold, same, faces, twin_onnx, tmp_path, run):
    words = ("--model", twin_onnx, "--out", tmp_path, "--threshold", threshold)
    done = run("predict.py", *faces, *words)
    assert done.returncode == 0, done.stderr
    assert {pair["same person"] for pair in read_json(tmp_path / "similarity.json")["pairs"]} == {same}
    assert ("different people" not in done.stdout) is same


def test_cells_are_green_below_the_threshold_and_red_from_it_on():
    pictures = [np.zeros((112, 112, 3), np.uint8)] * 2
    drawn = predict.draw(pictures, np.array([[0, 1.5], [1.5, 0]], np.float32), 1.5)
    corners = [tuple(drawn[120 * i + 2, 120 * j + 2].tolist()) for i in (1, 2) for j in (1, 2)]
    assert corners == [predict.GREEN, predict.RED, predict.RED, predict.GREEN]
    assert (drawn != predict.GREEN).any(axis=2)[122:238, 122:238].sum() > 50  # the text


def test_distances_of_all_to_all():
    found = predict.all_distances(np.array([[1, 0], [0, 1], [-1, 0]], np.float32))
    assert found.tolist() == [[0, 2, 4], [2, 0, 2], [4, 2, 0]]


def test_one_picture_is_wrong_usage(faces, tmp_path, run):
    done = run("predict.py", faces[0], "--model", "x.onnx", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "expected at least two pictures to compare" in done.stderr


@pytest.mark.parametrize("threshold", ["-0.1", "4.1", "nan", "high"])
def test_a_threshold_that_is_no_distance_is_wrong_usage(threshold, faces, run):
    done = run("predict.py", *faces, "--model", "x.onnx", "--threshold", threshold)
    assert done.returncode == 2
    assert "--threshold" in done.stderr


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("size", "bad.png: expected an aligned face of 112x112 pixels, found 200x250. Align the face"),
        ("missing", "bad.png: no such picture"),
        ("damaged", "bad.png: not a picture that OpenCV can read"),
    ],
)
def test_a_bad_face_is_told_in_one_message(kind, words, faces, twin_onnx, tmp_path, run):
    bad = tmp_path / "bad.png"
    if kind != "missing":
        bad.write_bytes(encode(np.zeros((250, 200, 3), np.uint8)) if kind == "size" else b"hello")
    done = run("predict.py", faces[0], bad, "--model", twin_onnx, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert f"{tmp_path}/{words}" in done.stderr
    assert not (tmp_path / "out").exists()
