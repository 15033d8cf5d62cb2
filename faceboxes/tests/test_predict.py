"""The network, here its twin, on one's own pictures."""

from __future__ import annotations

import cv2

from faceboxes_fddb.sample import portraits
from tests.conftest import read_json


def test_all_candidates_are_kept_with_a_score_of_zero(onnx, tmp_path, run):
    picture, drawn = tmp_path / "astronaut.png", tmp_path / "astronaut_faces.jpg"
    cv2.imwrite(str(picture), portraits()["astronaut"][0])
    done = run("predict.py", picture, "--model", onnx, "--out", tmp_path, "--score", 0)
    assert done.returncode == 0, done.stderr
    scores = [face["score"] for face in read_json(drawn.with_suffix(".json"))["faces"]]
    assert f"{drawn}: {len(scores)} faces in {picture}" in done.stdout
    assert scores
    assert scores == sorted(scores, reverse=True)
    assert cv2.imread(str(drawn)).shape == cv2.imread(str(picture)).shape
