"""prediction.py: the predict.py of every detector: arguments, pictures and JSON files."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from common import cli, prediction
from common.engine.task import Task
from common.images.draw import colour_of
from common.images.read import read_image
from tests.conftest import refused, wrong_usage


def parse(*words):
    return prediction.parse(cli.parser("Find."), words, what="faces", score=0.5)


def test_pictures_and_a_model_are_enough(capsys):
    found = parse("a.jpg", "b.png", "--model", "m.onnx")
    assert (found.images, found.model) == ([Path("a.jpg"), Path("b.png")], Path("m.onnx"))
    assert (found.out, found.score, found.backend) == (Path("output"), 0.5, None)
    assert (found.provider, found.device) == ("CPUExecutionProvider", ())
    with pytest.raises(SystemExit):
        parse("--help")
    printed = " ".join(capsys.readouterr().out.split())
    assert "The directory for <name>_faces.jpg and <name>_faces.json (default: output)." in printed
    assert "Leave out faces whose score, 0 to 1, is below this (default: 0.5)." in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--model m.onnx", "the following arguments are required: IMAGE"),
        ("a.jpg", "the following arguments are required: --model"),
        ("a.jpg --model m --score high", "argument --score: expected a number from 0 to 1, got 'high'"),
        ("a.jpg --model m --backend abacus", "argument --backend: invalid choice: 'abacus'"),
    ],
)
def test_wrong_usage_is_told(words, message, capsys):
    with wrong_usage(capsys, message):
        parse(*words.split())


FACES = np.array([[10, 20, 60.12345, 80, 0.9], [5, 5, 30, 30, 0.5], [1, 1, 9, 9, 0.4999999]], np.float32)
OBJECTS = np.array([[0, 0, 40, 50, 0.9, 1], [60, 2, 80, 99, 0.75, 18]], np.float32)


@pytest.fixture
def predict(tmp_path, monkeypatch, doubling):
    """Run on two dark pictures of 120x90 pixels; every one has the detections given."""
    monkeypatch.chdir(tmp_path)
    for name in ("one.png", "two.png"):
        cv2.imwrite(name, np.random.default_rng(0).integers(0, 60, (120, 90, 3), np.uint8))

    def prepare(path):
        return {"image": read_image(path).reshape(-1)[:3].astype(np.float32)}, None

    def run(found, *words, batch="N", name_of=None):
        task = Task(prepare, lambda outputs, _: found)
        options = parse("one.png", "two.png", *words, "--model", "m.onnx")
        prediction.draw_detections(task, doubling(batch), options, what="faces", name_of=name_of)
        return [json.loads((options.out / f"{stem}_faces.json").read_text()) for stem in ("one", "two")]

    return run


@pytest.mark.parametrize("batch", ["N", 1, 4])
def test_every_picture_gets_a_drawing_and_a_list(predict, capsys, batch):
    before = FACES.copy()
    first, second = predict(FACES, "--out", "new/deep", batch=batch)
    np.testing.assert_array_equal(FACES, before)
    faces = [
        {"box": [10.0, 20.0, 60.123, 80.0], "score": 0.9},
        {"box": [5.0, 5.0, 30.0, 30.0], "score": 0.5},
    ]
    made_by = {"backend": "numpy", "precision": "float32"}
    assert first == {"image": "one.png", "width": 90, "height": 120, **made_by, "faces": faces}
    assert second == {**first, "image": "two.png"}
    names = ["one_faces.jpg", "one_faces.json", "two_faces.jpg", "two_faces.json"]
    assert sorted(path.name for path in Path("new/deep").iterdir()) == names
    drawn = cv2.imread("new/deep/one_faces.jpg")
    assert drawn.shape == (120, 90, 3)
    assert drawn[80, 40, 1] > drawn[80, 40, 0].astype(int) + 40
    first, second, time = capsys.readouterr().out.splitlines()
    assert first == "new/deep/one_faces.jpg: 2 faces in one.png"
    assert second == "new/deep/two_faces.jpg: 2 faces in two.png"
    assert re.fullmatch(r"\d+ ms in the network for each picture, with numpy, float32", time)


def test_objects_have_categories_with_names_and_colours(predict):
    first, _ = predict(OBJECTS, name_of=lambda category: f"kind {category}")
    assert first["faces"] == [
        {"box": [0.0, 0.0, 40.0, 50.0], "score": 0.9, "category": 1, "name": "kind 1"},
        {"box": [60.0, 2.0, 80.0, 99.0], "score": 0.75, "category": 18, "name": "kind 18"},
    ]
    drawn = cv2.imread("output/one_faces.jpg").astype(int)
    for edge, category in (((50, 20), 1), ((60, 80), 18)):
        assert np.abs(drawn[edge] - colour_of(category)).max() < 120


@pytest.mark.parametrize(("score", "count"), [("0", 3), ("0.6", 1), ("0.95", 0)])
def test_low_scores_are_left_out(predict, score, count):
    assert [len(result["faces"]) for result in predict(FACES, "--score", score)] == [count, count]


def test_where_nothing_is_found_the_picture_is_as_it_was_but_for_jpegs_loss(predict):
    assert predict(np.zeros((0, 5), np.float32))[0]["faces"] == []
    drawn, original = (cv2.imread(name).astype(int) for name in ("output/one_faces.jpg", "one.png"))
    assert abs(drawn - original).mean() < 12


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("nowhere.jpg", "nowhere: nowhere.jpg: no such picture."),
        ("a/one.jpg", "results are named after the pictures, but these names occur twice: one."),
    ],
)
def test_bad_pictures_are_told_in_one_message(predict, image, message):
    with refused(message):
        predict(FACES, image)
