"""The network, here a tiny twin, on one's own pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="the twin is a torch network")

from efficientdet_coco.categories import name_of
from tests.conftest import read_json


def test_objects_are_drawn_and_listed_with_their_names(twin_onnx, tmp_path, run):
    street, out = tmp_path / "street.png", tmp_path / "out"
    pixels = np.random.default_rng(0).integers(0, 60, (120, 90), np.uint8)
    Image.fromarray(pixels).save(street)  # grey
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
        assert row["name"] == name_of(row["category"])
    drawn = cv2.imread(str(out / "street_objects.jpg"))
    assert drawn.shape == (120, 90, 3)
    assert drawn.max() > 200
    assert f"{out / 'street_objects.jpg'}: 100 objects in {street}\n" in done.stdout


def test_a_picture_that_is_too_narrow_is_named_once(twin_onnx, tmp_path, run):
    Image.new("RGB", (2000, 1)).save(tmp_path / "line.png")
    done = run("predict.py", tmp_path / "line.png", "--model", twin_onnx, "--out", tmp_path / "out")
    assert done.stderr == f"error: line: {tmp_path / 'line.png'}: the picture is too narrow: 2000x1 pixels.\n"
