"""The network on one's own pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from common import prediction
from common.cli import counted
from tests.conftest import read_json
from tests.fake import FakeModel


@pytest.fixture
def street(tmp_path):
    """A picture whose shorter side is 128, a quarter of what it becomes."""
    pixels = np.random.default_rng(0).integers(0, 60, (128, 160, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "street.png")
    return tmp_path / "street.png"


@pytest.fixture(params=[False])
def fake(request, monkeypatch):
    """What is opened whatever model is named, in the guide's form unless the test says otherwise."""
    model = FakeModel(original=request.param)
    monkeypatch.setattr(prediction, "open_deployed", lambda *_, **__: model)
    return model


@pytest.mark.parametrize(("options", "names"), [((), ["dog"]), (("--score", "0.2"), ["dog", "cat"])])
def test_low_scores_are_left_out_and_boxes_are_in_the_pictures_pixels(
    options, names, fake, street, tmp_path, run
):
    done = run("predict.py", street, "--model", "a.onnx", "--out", tmp_path, *options)
    assert done.returncode == 0, done.stderr
    assert f"{tmp_path / 'street_objects.jpg'}: {counted(len(names), 'object')} in {street}\n" in done.stdout
    result = read_json(tmp_path / "street_objects.json")
    assert (result["image"], result["width"], result["height"]) == (str(street), 160, 128)
    categories = {"dog": 12, "cat": 8}
    assert {row["name"]: row["category"] for row in result["objects"]} == {n: categories[n] for n in names}
    for row in result["objects"]:
        # Sides count both border pixels when the region is taken apart, 308.2 and 410.6 of them.
        assert row["box"] == pytest.approx([25.6, 12.8, 102.65, 115.45], abs=0.01)
    assert fake.fed == [{}]
    assert fake.closed
    drawn = cv2.imread(str(tmp_path / "street_objects.jpg"))
    assert drawn.shape == (128, 160, 3)
    assert drawn.max() > 200  # a bright frame on a dark picture


@pytest.mark.parametrize("fake", [True], indirect=True)
def test_the_original_form_is_given_im_info(fake, street, tmp_path, run):
    assert run("predict.py", street, "--model", "a.onnx", "--out", tmp_path).returncode == 0
    (fed,) = fake.fed
    assert fed["im_info"].tolist() == [[512, 640, 4]]
    assert fed["im_info"].dtype == np.float32


@pytest.mark.usefixtures("fake")
def test_grey_and_turned_pictures_are_drawn_on_upright_and_ones_too_wide_are_noted(tmp_path, run):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    Image.new("RGB", (70, 50)).save(tmp_path / "turned.jpg", exif=exif)
    Image.new("L", (70, 50), 90).save(tmp_path / "grey.png")
    Image.new("RGB", (300, 50)).save(tmp_path / "wide.png")
    pictures = [tmp_path / name for name in ("grey.png", "wide.png", "turned.jpg")]
    done = run("predict.py", *pictures, "--model", "a.onnx", "--out", tmp_path / "out")
    for name, shape in (("grey", (50, 70, 3)), ("turned", (70, 50, 3))):
        assert cv2.imread(str(tmp_path / "out" / f"{name}_objects.jpg")).shape == shape
    assert done.stdout.count("note: ") == 1
    assert "note: 1 of 3 pictures are cut" in done.stdout
    assert "over 2.625 times the other: wide. " in done.stdout
