"""The whole guide in one command on the embedded default."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="the embedded default compares with torch")

import evaluate  # noqa: E402
from common.export import download  # noqa: E402
from common.graph.outline import load  # noqa: E402
from efficientdet_coco import agreement, coco, sample  # noqa: E402
from efficientdet_coco.categories import NAMES  # noqa: E402
from patches.infinite_padding import infinite_pads  # noqa: E402
from tests.conftest import read_json  # noqa: E402


def test_without_any_checkpoint_seeded_weights_are_announced_and_agree(tmp_path, monkeypatch, capsys):
    def unavailable(checkpoint, folder):
        raise download.UnavailableError("could not download d0.pth")

    monkeypatch.setattr(download, "fetch", unavailable)
    assert evaluate.main(["--out", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "WARNING: could not download d0.pth" in captured.err
    assert "SEEDED RANDOM WEIGHTS, NOT THE PUBLISHED ONES" in captured.err
    assert "agreement with torch on 4 pictures:\n  class_p3: largest difference" in captured.out
    assert f"measured on {sample.WHAT}; seeded random weights" in captured.out
    report = read_json(tmp_path / "metrics.json")
    assert report["dataset"] == sample.WHAT
    assert report["why"] == f"{sample.WHAT}; seeded random weights, not the published ones"
    assert report["verdict"] == "not comparable"
    assert report["metrics"]["agreement with torch"] > 0.7  # seeded scores are nearly all equal
    assert report["metrics"]["largest difference from torch, class_p3"] <= 1e-3
    made = {path.name for path in tmp_path.iterdir()}
    assert made == {
        *("d0.onnx", "d0_sim.onnx", "d0_modify.onnx"),
        "detections.json",
        "metrics.json",
        "sample",
    }
    assert len(infinite_pads(load(tmp_path / "d0_sim.onnx"))) == 14
    assert infinite_pads(load(tmp_path / "d0_modify.onnx")) == []


def test_an_onnx_file_of_another_checkpoint_is_found_out(seeded_onnx, seeded_checkpoint, tmp_path, capsys):
    state = torch.load(seeded_checkpoint, weights_only=True)
    state["box_net.predict.conv_pw.bias"] += 0.01
    torch.save(state, tmp_path / "other.pth")
    arguments = ["--model", str(seeded_onnx), "--checkpoint", str(tmp_path / "other.pth")]
    assert evaluate.main([*arguments, "--out", str(tmp_path)]) == 1
    assert "output 'box_p3' differs from torch by 1.00e-02" in capsys.readouterr().err


def test_a_checkpoint_that_would_not_be_used_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["--model", "a.onnx", "--checkpoint", "b.pth", "--data", "coco"])
    assert stop.value.code == 2
    assert "--checkpoint beside --model" in capsys.readouterr().err


def test_a_mistake_in_the_data_is_told_before_an_export(tmp_path, capsys):
    assert evaluate.main(["--data", str(tmp_path / "nowhere"), "--out", str(tmp_path / "out")]) == 1
    assert "nowhere: not the COCO data set" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_model_of_another_network_is_refused(data, tmp_path, capsys):
    from onnx import TensorProto, helper, save

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in ("x.1", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x.1"], ["y"])], "g", value[:1], value[1:])
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6),
        tmp_path / "x.onnx",
    )
    arguments = ["--model", str(tmp_path / "x.onnx"), "--data", str(data), "--out", str(tmp_path / "out")]
    assert evaluate.main(arguments) == 1
    assert "x.onnx: not EfficientDet-D0: expected inputs and outputs" in capsys.readouterr().err


def test_limit_takes_the_first_pictures_by_id(seeded_onnx, data, tmp_path):
    arguments = ["--model", str(seeded_onnx), "--data", str(data), "--out", str(tmp_path / "out")]
    assert evaluate.main([*arguments, "--limit", "2"]) == 0
    rows = coco.read_detections(tmp_path / "out" / "detections.json")
    assert {row["image_id"] for row in rows} == {5, 7}
    report = read_json(tmp_path / "out" / "metrics.json")
    assert report["why"] == "2 of the 5000 pictures of COCO val2017"
    assert report["images"] == 2
    assert not any("torch" in name for name in report["metrics"])


def test_a_damaged_picture_is_named(seeded_onnx, data, tmp_path, capsys):
    path = data / "val2017" / "tall.b.c.jpg"
    path.write_bytes(path.read_bytes()[:5000])
    arguments = ["--model", str(seeded_onnx), "--data", str(data), "--out", str(tmp_path / "out")]
    assert evaluate.main(arguments) == 1
    assert capsys.readouterr().err.startswith(f"error: {path}: the picture is damaged (")
    assert not (tmp_path / "out").exists()


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


def test_equal_objects_are_counted_once_each():
    objects = np.array([[0, 0, 10, 10, 0.9, 3], [50, 50, 60, 60, 0.8, 3]], np.float32)
    moved = objects + np.float32([0.4, 0, 0, 0, 0.0005, 0])
    assert agreement.count_same(objects, moved) == 2
    assert agreement.count_same(objects, objects + np.float32([0.6, 0, 0, 0, 0, 0])) == 0
    assert agreement.count_same(objects, objects + np.float32([0, 0, 0, 0, 0, 1])) == 0
    assert agreement.count_same(objects, objects + np.float32([0, 0, 0, 0, 0.002, 0])) == 0
    assert agreement.count_same(objects, np.concatenate((moved[:1], moved[:1]))) == 1
    assert agreement.count_same(objects, objects[:0]) == 0


@pytest.mark.parametrize(("counts", "share"), [((0, 0, 0), 1.0), ((4, 4, 4), 1.0), ((4, 2, 2), 0.5)])
def test_agreement_is_a_share_of_all_objects(counts, share):
    assert agreement.Agreement(1, (0.0,) * 10, *counts).share == share
