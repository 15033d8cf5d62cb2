"""The network on one's own pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

import predict
from tests.conftest import read_json


@pytest.fixture
def street(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 60, (120, 90, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "street.png")
    return tmp_path / "street.png"


def test_objects_are_drawn_and_listed_best_first(seeded_onnx, street, tmp_path, capsys):
    out = tmp_path / "out"
    assert predict.main([str(street), "--model", str(seeded_onnx), "--out", str(out), "--score", "0"]) == 0
    result = read_json(out / "street_objects.json")
    assert (result["image"], result["width"], result["height"]) == (str(street), 90, 120)
    objects = result["objects"]
    assert len(objects) == 100
    assert [row["score"] for row in objects] == sorted((row["score"] for row in objects), reverse=True)
    for row in objects:
        xmin, ymin, xmax, ymax = row["box"]
        assert 0 <= xmin <= xmax <= 90
        assert 0 <= ymin <= ymax <= 120
        assert row["name"] == predict.name_of(row["category"])
    drawn = cv2.imread(str(out / "street_objects.jpg"))
    assert drawn.shape == (120, 90, 3)
    assert drawn.max() > 200
    assert f"{out / 'street_objects.jpg'}: 100 objects in {street} (" in capsys.readouterr().out


def test_low_scores_are_left_out(seeded_onnx, street, tmp_path):
    assert (
        predict.main([str(street), "--model", str(seeded_onnx), "--out", str(tmp_path), "--score", "1"]) == 0
    )
    assert read_json(tmp_path / "street_objects.json")["objects"] == []
    # As it was, but for JPEG's loss.
    drawn, original = (
        cv2.imread(str(tmp_path / name)).astype(int) for name in ("street_objects.jpg", "street.png")
    )
    assert abs(drawn - original).mean() < 12


def test_grey_pictures_are_taken(seeded_onnx, tmp_path):
    Image.new("L", (70, 50), 90).save(tmp_path / "grey.png")
    arguments = [str(tmp_path / "grey.png"), "--model", str(seeded_onnx), "--out", str(tmp_path / "out")]
    assert predict.main(arguments) == 0
    assert cv2.imread(str(tmp_path / "out" / "grey_objects.jpg")).shape == (50, 70, 3)


def test_categories_have_names_and_colours_of_their_own():
    assert predict.name_of(1) == "person"
    assert predict.name_of(90) == "toothbrush"
    assert predict.name_of(12) == "unused category 12"
    assert len({predict.colour_of(category) for category in range(1, 91)}) == 90


def test_labels_stay_inside_the_picture_and_the_picture_as_it_is():
    objects = np.array([[0, 0, 40, 50, 0.9, 1], [100, 2, 120, 99, 0.75, 18]], np.float32)
    image = np.zeros((100, 120, 3), np.uint8)
    drawn = predict.draw(image, objects)
    assert drawn.shape == (100, 120, 3)
    assert not image.any()
    for row in objects:
        colour = np.array(predict.colour_of(int(row[5])))
        assert (abs(drawn.astype(int) - colour).max(axis=2) == 0).sum() > 200
    assert drawn[45, 0].tolist() == list(predict.colour_of(1))


def test_boxes_are_rounded_to_thousandths_and_have_names():
    row = np.array([[1.23456, 2, 3, 4, 0.12345678, 12]])
    assert predict.as_json("a.jpg", (10, 20, 3), row) == {
        "image": "a.jpg",
        "width": 20,
        "height": 10,
        "objects": [
            {"box": [1.235, 2, 3, 4], "score": 0.123457, "category": 12, "name": "unused category 12"}
        ],
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.jpg"], "nowhere.jpg: no such picture"),
        (["a/one.jpg", "b/one.png"], "these names occur twice: one"),
    ],
)
def test_bad_pictures_are_told_in_one_message(arguments, words, seeded_onnx, tmp_path, capsys):
    assert predict.main([*arguments, "--model", str(seeded_onnx), "--out", str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_that_does_not_exist_is_named(street, tmp_path, capsys):
    assert predict.main([str(street), "--model", "absent.onnx", "--out", str(tmp_path / "out")]) == 1
    assert "absent.onnx: no such ONNX file" in capsys.readouterr().err
