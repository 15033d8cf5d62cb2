"""The network on one's own pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

import predict
from rfcn_voc.voc import CLASSES
from tests.conftest import read_json
from tests.fake import FakeModel


@pytest.fixture
def street(tmp_path):
    """A picture whose shorter side is 128, a quarter of what it becomes."""
    pixels = np.random.default_rng(0).integers(0, 60, (128, 160, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "street.png")
    return tmp_path / "street.png"


@pytest.fixture
def fake(monkeypatch):
    """What is opened whatever model is named."""
    model = FakeModel()
    monkeypatch.setattr(predict, "open_deployed", lambda *_: model)
    return model


def test_the_network_runs_and_its_objects_are_drawn_and_listed_best_first(
    seeded_onnx, street, tmp_path, capsys
):
    out = tmp_path / "out"
    assert predict.main([str(street), "--model", str(seeded_onnx), "--out", str(out), "--score", "0"]) == 0
    result = read_json(out / "street_objects.json")
    assert (result["image"], result["width"], result["height"]) == (str(street), 160, 128)
    objects = result["objects"]
    assert len(objects) >= 100
    scores = [row["score"] for row in objects]
    assert scores == sorted(scores, reverse=True)
    for row in objects:
        xmin, ymin, xmax, ymax = row["box"]
        assert 0 <= xmin <= xmax <= 160
        assert 0 <= ymin <= ymax <= 128
        assert row["name"] == CLASSES[row["category"] - 1]
    drawn = cv2.imread(str(out / "street_objects.jpg"))
    assert drawn.shape == (128, 160, 3)
    assert drawn.max() > 200
    assert f"{out / 'street_objects.jpg'}: {len(objects)} objects in {street} (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("score", "names"), [(None, ["dog"]), ("0.9", ["dog"]), ("0.2", ["dog", "cat"]), ("0.95", [])]
)
def test_low_scores_are_left_out_and_boxes_are_in_the_pictures_pixels(score, names, fake, street, tmp_path):
    options = ["--score", score] if score else []
    assert predict.main([str(street), "--model", "a.onnx", "--out", str(tmp_path), *options]) == 0
    objects = read_json(tmp_path / "street_objects.json")["objects"]
    assert [row["name"] for row in objects] == names
    for row in objects:
        # Sides count both border pixels when the region is taken apart, 308.2 and 410.6 of them.
        assert row["box"] == pytest.approx([25.6, 12.8, 102.65, 115.45], abs=0.01)
    assert fake.fed == [{}]
    assert fake.closed


def test_the_original_form_is_given_im_info(street, tmp_path, monkeypatch):
    model = FakeModel(original=True)
    monkeypatch.setattr(predict, "open_deployed", lambda *_: model)
    assert predict.main([str(street), "--model", "a.onnx", "--out", str(tmp_path)]) == 0
    (fed,) = model.fed
    assert fed["im_info"].tolist() == [[512, 640, 4]]
    assert fed["im_info"].dtype == np.float32


@pytest.mark.usefixtures("fake")
def test_where_nothing_is_found_the_picture_is_as_it_was_but_for_jpegs_loss(street, tmp_path):
    assert predict.main([str(street), "--model", "a.onnx", "--out", str(tmp_path), "--score", "1"]) == 0
    assert read_json(tmp_path / "street_objects.json")["objects"] == []
    drawn, original = (
        cv2.imread(str(tmp_path / name)).astype(int) for name in ("street_objects.jpg", "street.png")
    )
    assert abs(drawn - original).mean() < 12


@pytest.mark.usefixtures("fake")
def test_grey_pictures_are_taken_and_ones_too_wide_are_noted(street, tmp_path, capsys):
    Image.new("L", (70, 50), 90).save(tmp_path / "grey.png")
    Image.new("RGB", (300, 50)).save(tmp_path / "wide.png")
    pictures = [str(tmp_path / name) for name in ("grey.png", "wide.png", "street.png")]
    assert predict.main([*pictures, "--model", "a.onnx", "--out", str(tmp_path / "out")]) == 0
    assert cv2.imread(str(tmp_path / "out" / "grey_objects.jpg")).shape == (50, 70, 3)
    printed = capsys.readouterr().out
    assert printed.count("note: ") == 1
    assert f"over 2.625 times the other: {tmp_path / 'wide.png'}. " in printed
    assert len(list((tmp_path / "out").iterdir())) == 6


def test_classes_have_colours_of_their_own():
    assert len({predict.colour_of(category) for category in range(1, 21)}) == 20


def test_labels_stay_inside_the_picture_and_the_picture_as_it_is():
    objects = np.array([[0, 0, 40, 50, 0.9, 1], [100, 2, 120, 99, 0.75, 20]], np.float32)
    image = np.zeros((100, 120, 3), np.uint8)
    drawn = predict.draw(image, objects)
    assert drawn.shape == (100, 120, 3)
    assert not image.any()
    for row in objects:
        colour = np.array(predict.colour_of(int(row[5])))
        assert (abs(drawn.astype(int) - colour).max(axis=2) == 0).sum() > 200
    assert drawn[45, 0].tolist() == list(predict.colour_of(1))


def test_boxes_are_rounded_to_thousandths_and_have_names():
    row = np.array([[1.23456, 2, 3, 4, 0.12345678, 20]])
    assert predict.as_json("a.jpg", (10, 20, 3), row) == {
        "image": "a.jpg",
        "width": 20,
        "height": 10,
        "objects": [{"box": [1.235, 2, 3, 4], "score": 0.123457, "category": 20, "name": "tvmonitor"}],
    }


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.jpg"], "nowhere.jpg: no such picture"),
        (["a/one.jpg", "b/one.png"], "these names occur twice: one"),
    ],
)
@pytest.mark.usefixtures("fake")
def test_bad_pictures_are_told_in_one_message(arguments, words, tmp_path, capsys):
    assert predict.main([*arguments, "--model", "a.onnx", "--out", str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_that_does_not_exist_is_named(street, tmp_path, capsys):
    assert predict.main([str(street), "--model", "absent.onnx", "--out", str(tmp_path / "out")]) == 1
    assert "absent.onnx: no such ONNX file" in capsys.readouterr().err
