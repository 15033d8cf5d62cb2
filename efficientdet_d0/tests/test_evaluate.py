"""The whole guide in one command, with a tiny twin of the network."""

from __future__ import annotations

import pytest
from PIL import Image

pytest.importorskip("torch", reason="the embedded default compares with torch")

from efficientdet_coco import coco, sample
from efficientdet_coco.categories import NAMES
from tests.conftest import read_json


@pytest.fixture
def loaded(twin, monkeypatch):
    """The checkpoints that evaluate.py asks for; it gets the twin each time."""
    asked = []
    monkeypatch.setattr("evaluate.load", lambda checkpoint: asked.append(checkpoint) or twin)
    return asked


def test_limit_takes_the_first_pictures_by_id(twin_onnx, data, tmp_path, run):
    arguments = ["--model", twin_onnx, "--data", data, "--out", tmp_path / "out"]
    assert run("evaluate.py", *arguments, "--limit", 2).returncode == 0
    rows = coco.read_detections(tmp_path / "out" / "detections.json")
    assert {row["image_id"] for row in rows} == {5, 7}
    report = read_json(tmp_path / "out" / "metrics.json")
    assert report["why"] == "2 of the 5000 pictures of COCO val2017"
    assert report["images"] == 2
    assert not any("torch" in name for name in report["metrics"])


def test_after_a_damaged_picture_it_goes_on_with_what_is_missing(twin_onnx, data, tmp_path, run):
    def evaluate(out):
        arguments = ["--model", twin_onnx, "--data", data, "--out", tmp_path / out]
        return run("evaluate.py", *arguments, "--batch-size", 1)

    path = data / "val2017" / "tall.b.c.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[:5000])
    done = evaluate("out")
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: tall: {path}: the picture is damaged (")
    assert not (tmp_path / "out" / "detections.json").exists()

    path.write_bytes(whole)
    done = evaluate("out")
    assert done.returncode == 0, done.stderr
    assert "predictions.sqlite: 3 of 5 results are there already\n" in done.stdout
    assert "are there already" not in evaluate("fresh").stdout
    found, fresh = (tmp_path / out / "detections.json" for out in ("out", "fresh"))
    assert found.read_text() == fresh.read_text()


def test_sample_boxes_lie_inside_their_pictures(tmp_path):
    found = coco.read_coco(sample.write_sample(tmp_path))
    assert list(found.pictures) == list(sample.OBJECTS)
    for picture, row in zip(found.pictures.values(), found.annotations["annotations"], strict=True):
        x, y, width, height = row["bbox"]
        with Image.open(picture.path) as image:
            assert image.size == (picture.width, picture.height)
        assert 0 <= x < x + width <= picture.width
        assert 0 <= y < y + height <= picture.height
        assert NAMES[row["category_id"]] == sample.OBJECTS[picture.path.stem][0]
