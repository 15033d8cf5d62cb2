"""The whole guide in one command, with a tiny twin of the network."""

from __future__ import annotations

import json

import pytest
from PIL import Image

pytest.importorskip("torch", reason="the embedded default compares with torch")

from common.export import download
from efficientdet_coco import coco, sample
from efficientdet_coco.categories import NAMES
from tests.conftest import make_twin, read_json


@pytest.fixture
def loaded(twin, monkeypatch):
    """The checkpoints that evaluate.py asks for; it gets the twin each time."""
    asked = []
    monkeypatch.setattr("evaluate.load", lambda checkpoint: asked.append(checkpoint) or twin)
    return asked


def test_without_any_checkpoint_seeded_weights_are_announced_and_agree(loaded, tmp_path, monkeypatch, run):
    def unavailable(checkpoint, folder):
        raise download.UnavailableError("could not download d0.pth")

    monkeypatch.setattr(download, "fetch", unavailable)
    done = run("evaluate.py", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert loaded == [None]
    assert "WARNING: could not download d0.pth" in done.stderr
    assert "SEEDED RANDOM WEIGHTS, NOT THE PUBLISHED ONES" in done.stderr
    assert "agreement with torch on 4 inputs:\n  class_p3: largest difference" in done.stdout
    assert "  found: torch 400, deployed 400, the same 400 (100.00 %)\n" in done.stdout
    assert f"measured on {sample.WHAT}; seeded random weights" in done.stdout
    report = read_json(tmp_path / "metrics.json")
    assert report["dataset"] == sample.WHAT
    assert report["why"] == f"{sample.WHAT}; seeded random weights, not the published ones"
    assert report["verdict"] == "not comparable"
    assert report["metrics"]["agreement with torch"] == 1
    assert report["metrics"]["largest difference from torch, class_p3"] <= 1e-3
    made = {path.name for path in tmp_path.iterdir()}
    networks = {"d0.onnx", "d0_sim.onnx", "d0_modify.onnx"}
    assert made == {*networks, "predictions.sqlite", "detections.json", "metrics.json", "sample"}


def test_an_onnx_file_of_another_checkpoint_is_found_out(twin_onnx, tmp_path, monkeypatch, run):
    other = make_twin()
    other.patterns[5] += 0.1
    monkeypatch.setattr("evaluate.load", {tmp_path / "other.pth": other}.get)
    done = run(
        "evaluate.py", "--model", twin_onnx, "--checkpoint", tmp_path / "other.pth", "--out", tmp_path / "out"
    )
    assert done.returncode == 1
    assert "output 'box_p3' differs from torch by " in done.stderr
    assert "Was the ONNX file exported from this checkpoint?" in done.stderr


def test_a_checkpoint_that_would_not_be_used_is_wrong_usage(run):
    done = run("evaluate.py", "--model", "a.onnx", "--checkpoint", "b.pth", "--data", "coco")
    assert done.returncode == 2
    assert "--checkpoint beside --model" in done.stderr


def test_a_mistake_in_the_data_is_told_before_an_export(tmp_path, run):
    done = run("evaluate.py", "--data", tmp_path / "nowhere", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "nowhere: not the COCO data set" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_network_is_refused(data, tmp_path, run):
    from onnx import TensorProto, helper, save

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("x.1", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x.1"], ["y"])], "g", value[:1], value[1:])
    opset = [helper.make_opsetid("", 11)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=6), tmp_path / "x.onnx")
    done = run("evaluate.py", "--model", tmp_path / "x.onnx", "--data", data, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "x.onnx: not EfficientDet-D0: expected inputs and outputs" in done.stderr


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


def test_a_picture_that_was_replaced_is_looked_at_again(twin_onnx, data, tmp_path, run):
    arguments = ["--model", twin_onnx, "--data", data, "--out", tmp_path / "out"]
    assert run("evaluate.py", *arguments).returncode == 0
    before = coco.read_detections(tmp_path / "out" / "detections.json")
    Image.new("RGB", (40, 40), (250, 9, 9)).save(data / "val2017" / "empty.jpg", format="PNG")
    assert "4 of 5 results are there already" in run("evaluate.py", *arguments).stdout
    after = coco.read_detections(tmp_path / "out" / "detections.json")
    changed = {row["image_id"] for row in after if json.dumps(row) not in set(map(json.dumps, before))}
    assert changed == {5}


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
