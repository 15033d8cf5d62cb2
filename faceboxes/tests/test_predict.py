"""The network, here its twin, on one's own pictures."""

from __future__ import annotations

import cv2
import pytest

from faceboxes_fddb.sample import portraits
from tests.conftest import read_json


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "astronaut.png"
    cv2.imwrite(str(path), portraits()["astronaut"][0])
    return path


def test_all_candidates_are_kept_with_a_score_of_zero(onnx, picture, tmp_path, run):
    done = run("predict.py", picture, "--model", onnx, "--out", tmp_path, "--score", 0)
    assert done.returncode == 0, done.stderr
    faces = read_json(tmp_path / "astronaut_faces.json")["faces"]
    assert f"{tmp_path / 'astronaut_faces.jpg'}: {len(faces)} faces in {picture}" in done.stdout
    assert faces
    assert [face["score"] for face in faces] == sorted((face["score"] for face in faces), reverse=True)
    assert cv2.imread(str(tmp_path / "astronaut_faces.jpg")).shape == cv2.imread(str(picture)).shape


@pytest.mark.parametrize(
    ("pictures", "model", "words"),
    [
        (["nowhere.jpg"], None, "nowhere.jpg: no such picture"),
        (["a/one.jpg", "b/one.png"], None, "these names occur twice: one"),
        (["a/one.jpg"], "absent.onnx", "absent.onnx: no such ONNX file"),
    ],
)
def test_bad_input_is_told_in_one_message(pictures, model, words, onnx, tmp_path, run):
    done = run("predict.py", *pictures, "--model", model or onnx, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "out").exists()
