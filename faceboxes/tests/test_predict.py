"""The network on one's own pictures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

import predict
from faceboxes_fddb.sample import portraits
from tests.conftest import read_json

pytest.importorskip("torch", reason="the ONNX file is exported with torch")


@pytest.fixture
def pictures(tmp_path):
    for name, (image, _) in portraits().items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    return [str(tmp_path / "astronaut.png"), str(tmp_path / "hopper.png")]


def test_the_face_in_each_portrait_is_found_and_drawn(published, pictures, tmp_path):
    import pth2onnx

    onnx = tmp_path / "faceboxes-b0.onnx"
    assert pth2onnx.main(["--checkpoint", str(published), "--out", str(onnx)]) == 0
    assert predict.main([*pictures, "--model", str(onnx), "--out", str(tmp_path / "out")]) == 0
    for name, box in (("astronaut", [180, 59, 268, 175]), ("hopper", [170, 114, 355, 337])):
        result = read_json(tmp_path / "out" / f"{name}_faces.json")
        (face,) = result["faces"]
        assert np.abs(np.array(face["box"]) - box).max() < 2
        assert face["score"] > 0.99
        drawn = cv2.imread(str(tmp_path / "out" / f"{name}_faces.jpg"))
        original = cv2.imread(str(tmp_path / f"{name}.png"))
        assert drawn.shape == original.shape == (result["height"], result["width"], 3)
        edge = drawn[round(face["box"][3]), round(face["box"][0] + 20)]
        assert edge[1] > 150
        assert edge[1] > edge[0] + 60


def test_labels_stay_inside_the_picture():
    faces = np.array([[-20, -30, 40, 50, 0.9], [90, 2, 130, 99, 0.75]], np.float32)
    drawn = predict.draw(np.zeros((100, 120, 3), np.uint8), faces)
    assert (drawn[:, :, 1] > 0).sum() > 300
    assert drawn.shape == (100, 120, 3)


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


def test_a_model_that_does_not_exist_is_named(pictures, tmp_path, capsys):
    assert predict.main([*pictures, "--model", "absent.onnx", "--out", str(tmp_path / "out")]) == 1
    assert "absent.onnx: no such ONNX file" in capsys.readouterr().err


def test_all_candidates_are_kept_with_a_score_of_zero(seeded_onnx, pictures, tmp_path):
    assert (
        predict.main([pictures[0], "--model", str(seeded_onnx), "--out", str(tmp_path), "--score", "0"]) == 0
    )
    faces = read_json(tmp_path / "astronaut_faces.json")["faces"]
    assert faces
    assert [face["score"] for face in faces] == sorted((face["score"] for face in faces), reverse=True)
