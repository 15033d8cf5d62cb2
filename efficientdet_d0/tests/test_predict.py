"""The network on one's own pictures, with a tiny twin of it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="the twin is a torch network")

from common.images.draw import colour_of
from efficientdet_coco.categories import NAMES, name_of
from tests.conftest import read_json


@pytest.fixture
def street(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 60, (120, 90, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "street.png")
    return tmp_path / "street.png"


def test_objects_are_drawn_and_listed_best_first(twin_onnx, street, tmp_path, run):
    out = tmp_path / "out"
    done = run("predict.py", street, "--model", twin_onnx, "--out", out, "--score", 0)
    assert done.returncode == 0, done.stderr
    result = read_json(out / "street_objects.json")
    assert (result["image"], result["width"], result["height"]) == (str(street), 90, 120)
    objects = result["objects"]
    assert len(objects) == 100
    assert [row["score"] for row in objects] == sorted((row["score"] for row in objects), reverse=True)
    for row in objects:
        xmin, ymin, xmax, ymax = row["box"]
        assert 0 <= xmin <= xmax <= 90
        assert 0 <= ymin <= ymax <= 120
        assert row["box"] == [round(value, 3) for value in row["box"]]
        assert row["name"] == name_of(row["category"])
    drawn = cv2.imread(str(out / "street_objects.jpg"))
    assert drawn.shape == (120, 90, 3)
    assert drawn.max() > 200
    assert f"{out / 'street_objects.jpg'}: 100 objects in {street}\n" in done.stdout


def test_low_scores_are_left_out(twin_onnx, street, tmp_path, run):
    done = run("predict.py", street, "--model", twin_onnx, "--out", tmp_path, "--score", 1)
    assert done.returncode == 0, done.stderr
    assert read_json(tmp_path / "street_objects.json")["objects"] == []
    # As it was, but for JPEG's loss.
    drawn, original = (
        cv2.imread(str(tmp_path / name)).astype(int) for name in ("street_objects.jpg", "street.png")
    )
    assert abs(drawn - original).mean() < 12


def test_grey_pictures_are_taken(twin_onnx, tmp_path, run):
    Image.new("L", (70, 50), 90).save(tmp_path / "grey.png")
    done = run("predict.py", tmp_path / "grey.png", "--model", twin_onnx, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "out" / "grey_objects.jpg")).shape == (50, 70, 3)


def test_categories_have_names_and_colours_of_their_own():
    assert (name_of(1), name_of(90), name_of(12)) == ("person", "toothbrush", "unused category 12")
    assert len({name_of(category) for category in range(1, 91)}) == 90
    assert len({colour_of(category) for category in range(1, 91)}) == 90
    assert len(NAMES) == 80


@pytest.mark.parametrize(
    ("pictures", "words"),
    [
        (["nowhere.jpg"], "nowhere.jpg: no such picture"),
        (["a/one.jpg", "b/one.png"], "these names occur twice: one"),
    ],
)
def test_bad_pictures_are_told_in_one_message(pictures, words, twin_onnx, tmp_path, run):
    done = run("predict.py", *pictures, "--model", twin_onnx, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_picture_that_is_too_narrow_is_named_once(twin_onnx, tmp_path, run):
    Image.new("RGB", (2000, 1)).save(tmp_path / "line.png")
    done = run("predict.py", tmp_path / "line.png", "--model", twin_onnx, "--out", tmp_path / "out")
    assert done.stderr == f"error: line: {tmp_path / 'line.png'}: the picture is too narrow: 2000x1 pixels.\n"
