"""The network, here a tiny twin, on one's own faces."""

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


def test_every_face_is_compared_with_every_other_and_stands_along_the_edges(faces, twin_onnx, tmp_path, run):
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

    drawn = cv2.imread(str(out / "similarity.png"))
    assert drawn.shape == (480, 480, 3)
    for i, path in enumerate(faces, 1):
        picture = cv2.imread(str(path))
        np.testing.assert_array_equal(drawn[120 * i + 4 : 120 * i + 116, 4:116], picture)
        np.testing.assert_array_equal(drawn[4:116, 120 * i + 4 : 120 * i + 116], picture)


@pytest.mark.parametrize(("threshold", "same"), [(0, False), (4, True)])
def test_the_threshold_decides_who_is_the_same(threshold, same, faces, twin_onnx, tmp_path, run):
    done = run("predict.py", *faces, "--model", twin_onnx, "--out", tmp_path, "--threshold", threshold)
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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.png"], "expected at least two pictures to compare"),
        *(
            (["a.png", "b.png", "--threshold", value], "--threshold")
            for value in ("-0.1", "4.1", "nan", "high")
        ),
    ],
)
def test_wrong_usage_is_exit_status_2(words, message, run):
    done = run("predict.py", "--model", "x.onnx", *words)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            encode(np.zeros((250, 200, 3), np.uint8)),
            "expected an aligned face of 112x112 pixels, found 200x250. Align the face",
        ),
        (None, "no such picture"),
    ],
    ids=["size", "missing"],
)
def test_a_bad_face_is_told_in_one_message(content, words, faces, twin_onnx, tmp_path, run):
    bad = tmp_path / "bad.png"
    if content:
        bad.write_bytes(content)
    done = run("predict.py", faces[0], bad, "--model", twin_onnx, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert f"{bad}: {words}" in done.stderr
    assert not (tmp_path / "out").exists()
